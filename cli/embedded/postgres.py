"""The embedded database: PostgreSQL 17 with TimescaleDB 2.19 (Apache edition) from the Debian packages."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from cli.embedded.ports import LOOPBACK
from cli.embedded.service import EmbeddedService
from cli.process.child_process import ChildProcess
from cli.process.service_account import set_owner_and_mode
from twin.errors import ServiceError

VERSION = 17
USER = "livetwin"
DATABASE = "livetwin"

_BINARIES = Path(f"/usr/lib/postgresql/{VERSION}/bin")
_EXTENSION = Path(f"/usr/share/postgresql/{VERSION}/extension/timescaledb.control")
_INITDB_TIMEOUT_S = 120.0
_POLL_INTERVAL_S = 0.02
_READY_LINE = 7  # index of the status line in postmaster.pid, which pg_ctl reads, too

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "shared_buffers": "128MB",
    "max_connections": "50",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # For the scheduler and the jobs of TimescaleDB; each open database needs one worker.
    "max_worker_processes": "16",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %a ",
}


class EmbeddedPostgres(EmbeddedService):
    """A database cluster; `postgres.password` in the data dir holds the password of its only user."""

    name = "postgres"
    account_name = "postgres"
    port_option = "--postgres-port"
    # SIGINT is PostgreSQL's fast shutdown: it ends sessions and writes a checkpoint.
    stop_signal = signal.SIGINT
    stop_timeout_s = 30.0

    _folder: Path

    def dsn(self, database: str = DATABASE) -> str:
        """Return the connection URI of one database."""
        password = (self.data_dir / "postgres.password").read_text()
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"

    async def create_database(self, database: str = DATABASE) -> None:
        """Create an empty database, unless it exists."""
        async with await self.connect_as_administrator() as connection:
            present = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
            if await present.fetchone() is None:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    async def connect_as_administrator(self) -> psycopg.AsyncConnection:
        """Return a connection in autocommit mode, for commands such as CREATE DATABASE."""
        return await psycopg.AsyncConnection.connect(
            self.dsn("postgres"), autocommit=True, application_name="livetwin-up"
        )

    async def _prepare(self) -> None:
        find_postgres_program("postgres")
        require_timescale()
        self._folder = self.create_folder()
        password = self.data_dir / "postgres.password"
        if not (self._folder / "data").exists():
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(24))
            await self._initialise(password.read_text())
        elif not password.exists():
            raise ServiceError(
                f"{password} is missing, but {self._folder} contains a database: restore that file, "
                "or choose another --data-dir"
            )

    async def _initialise(self, password: str) -> None:
        """Create the cluster in a temporary folder, then rename it: an interrupted start leaves no part."""
        incomplete = self._folder / "data.incomplete"
        shutil.rmtree(incomplete, ignore_errors=True)
        secret = self._folder / "initdb.password"
        secret.write_text(password)
        set_owner_and_mode(secret, self.account, 0o600)
        child = ChildProcess.start(
            "initdb",
            [
                find_postgres_program("initdb"),
                f"--pgdata={incomplete}",
                f"--username={USER}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-instructions",
                "--no-sync",  # the server syncs its own writes; a cluster lost before that is created again
            ],
            data_dir=self.data_dir,
            log=self.data_dir / "logs" / "initdb.log",
            cwd=self._folder,
            account=self.account,
        )
        try:
            code = await asyncio.wait_for(child.wait(), _INITDB_TIMEOUT_S)
        finally:
            await child.stop(signal.SIGKILL)
            secret.unlink(missing_ok=True)
        if code != 0:
            raise ServiceError(
                f"initdb failed; its log {child.log} ends with: {' | '.join(child.last_lines(3))}"
            )
        incomplete.rename(self._folder / "data")

    def _launch(self) -> ChildProcess:
        settings = {**_SETTINGS, "port": str(self.port)}
        return ChildProcess.start(
            self.name,
            [
                find_postgres_program("postgres"),
                "-D",
                self._folder / "data",
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            data_dir=self.data_dir,
            log=self.log,
            cwd=self._folder,
            account=self.account,
            death_signal=signal.SIGINT,
        )

    async def _until_ready(self) -> None:
        status = self._folder / "data" / "postmaster.pid"
        while True:
            lines = status.read_text().splitlines() if status.exists() else []
            if (
                len(lines) > _READY_LINE
                and lines[0] == str(self.child.pid)
                and lines[_READY_LINE].strip() == "ready"
            ):
                return
            await asyncio.sleep(_POLL_INTERVAL_S)


def require_timescale() -> None:
    """Raise ServiceError when TimescaleDB is not installed."""
    if not _EXTENSION.exists():
        raise ServiceError(
            "TimescaleDB is missing: install it with "
            f"`apt-get install postgresql-{VERSION}-timescaledb`, or `make setup`"
        )


def find_postgres_program(name: str) -> Path:
    """Return the path of a PostgreSQL program. Raises ServiceError when it is missing."""
    path = _BINARIES / name
    if path.exists():
        return path
    raise ServiceError(
        f"PostgreSQL {VERSION} is missing ({path} does not exist): install it with "
        f"`apt-get install postgresql-{VERSION} postgresql-{VERSION}-timescaledb`, or `make setup`"
    )
