"""The database as the compose file configures it: only TLS from a network, and clients check who it is."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from cli.embedded.ports import free_port
from cli.embedded.postgres import find_postgres_program
from cli.process.child_process import ChildProcess
from cli.process.service_account import service_account, set_owner_and_mode
from storage.schema.rights import RIGHTS, role_user
from tests.support.brokers.apache_kafka import make_secrets, secret_file
from tests.support.brokers.certificate_authority import CertificateAuthority
from tests.support.processes.cli_call import call_cli
from tests.support.repository import ROOT
from tests.support.services.compose_file import compose_file
from tests.support.waiting import until

ENTRY_POINT = ROOT / "tests/docker/images/timescaledb-entrypoint"
START_TIMEOUT_S = 60.0


class ComposeDatabase:
    """PostgreSQL, started by the script of the compose file with its options, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        self._folder = folder / "database"
        self._port = free_port()
        self._account = service_account("postgres", self._folder)
        self._child: ChildProcess | None = None

    def uri(self, name: str, host: str = "localhost") -> str:
        """Return the connection URI in a secret, on loopback."""
        text = (self.secrets / name).read_text().strip()
        assert "@timescaledb:5432/" in text
        return text.replace("@timescaledb:5432/", f"@{host}:{self._port}/")

    @property
    def checks(self) -> dict[str, str]:
        """Return the variables of libpq that the compose file gives each service with a database."""
        wanted = ("PGSSLMODE", "PGSSLROOTCERT")
        [found] = {
            tuple(one["environment"][name] for name in wanted)
            for one in compose_file()["services"].values()
            if "LIVETWIN_DATABASE_FILE" in one.get("environment", {})
        }
        mode, authority = found
        return {"PGSSLMODE": mode, "PGSSLROOTCERT": str(secret_file(self.secrets, authority))}

    async def start(self) -> None:
        """Start the server as its container does; return when it is ready."""
        service = compose_file()["services"]["timescaledb"]
        programs = self._folder / "bin"
        programs.mkdir(parents=True)
        shutil.copy(ENTRY_POINT, programs / "docker-entrypoint.sh")
        script, rules = (
            self._own(ROOT / "deploy/compose" / name) for name in ("timescaledb-start", "pg_hba.conf")
        )
        text = script.read_text()
        for inside, outside in (
            ("/tmp/server.pem", self._folder / "server.pem"),
            ("/run/secrets/tls_timescaledb", self._own(secret_file(self.secrets, "tls_timescaledb"))),
            ("/start/pg_hba.conf", rules),
        ):
            assert inside in text
            text = text.replace(inside, str(outside))
        script.write_text(text)
        environment = {name: str(value) for name, value in service["environment"].items()}
        password = self._own(secret_file(self.secrets, environment["POSTGRES_PASSWORD_FILE"]))
        binaries = find_postgres_program("postgres").parent
        set_owner_and_mode(self._folder, self._account, 0o700)
        options = [
            word
            for option in (
                f"port={self._port}",
                "listen_addresses=localhost",
                f"unix_socket_directories={self._folder}",
                "fsync=off",
            )
            for word in ("-c", option)
        ]
        self._child = ChildProcess.start(
            "timescaledb",
            ["sh", script, *service["command"], *options],
            data_dir=self._folder,
            log=self._folder.parent / "timescaledb.log",
            cwd=self._folder,
            account=self._account,
            environment={
                **environment,
                "POSTGRES_PASSWORD_FILE": str(password),
                "PATH": f"{programs}:{binaries}:/usr/bin:/bin",
                "PGDATA": str(self._folder / "data"),
                "TMPDIR": str(self._folder),
            },
        )
        await until(self._is_ready, lambda: self._child and self._child.last_lines(), START_TIMEOUT_S)

    async def stop(self) -> None:
        """Stop the server."""
        if self._child is not None:
            await self._child.stop(signal.SIGINT, START_TIMEOUT_S)

    def _own(self, path: Path) -> Path:
        """Return a copy that the account of the server can read."""
        copied = self._folder / path.name
        copied.write_bytes(path.read_bytes())
        set_owner_and_mode(copied, self._account, 0o600)
        return copied

    def _is_ready(self) -> bool:
        status = self._folder / "data/postmaster.pid"
        return status.exists() and status.read_text().splitlines()[7:] == ["ready   "]


@pytest_asyncio.fixture
async def server(service_folder: Path) -> AsyncIterator[ComposeDatabase]:
    make_secrets(service_folder / "secrets")
    database = ComposeDatabase(service_folder)
    try:
        await database.start()
        yield database
    finally:
        await database.stop()


async def is_encrypted(uri: str) -> bool:
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        row = await (
            await connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        ).fetchone()
    assert row is not None
    return bool(row[0])


async def test_the_roles_connect_with_tls_and_nobody_without(
    server: ComposeDatabase, service_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.checks.items():
        monkeypatch.setenv(name, value)
    accounts = str(server.secrets / "database-roles")
    done = await call_cli("migrate", "--accounts", accounts, database=server.uri("database_url"))
    assert done.code == 0, done.err
    for role in RIGHTS:
        uri = server.uri(f"database-roles/{role}")
        assert role_user(role) in uri
        assert await is_encrypted(uri)
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            await is_encrypted(f"{uri}?sslmode=disable")
    api = server.uri("database-roles/api")
    stranger = CertificateAuthority(service_folder, "stranger").certificate_file
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        await is_encrypted(f"{api}?sslrootcert={stranger}")
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        await is_encrypted(server.uri("database-roles/api", host="127.0.0.1"))
