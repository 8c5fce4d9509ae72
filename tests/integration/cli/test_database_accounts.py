"""`livetwin migrate --accounts`: a file with the account of each role, and its password in the database."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from storage.database import connect
from storage.schema.rights import RIGHTS, role_user
from tests.support.database.role_accounts import let_test_roles_log_in
from tests.support.processes.cli_call import Ended, call_cli
from tests.support.services.service_source import PostgresServer

Migrate = Callable[..., Awaitable[Ended]]


@pytest_asyncio.fixture
async def call_migrate(database: str) -> AsyncIterator[Migrate]:
    async def call(*arguments: str) -> Ended:
        return await call_cli("migrate", *arguments, database=database)

    yield call
    # The roles belong to the server, which other tests use.
    async with await connect(database, role="test") as connection:
        await let_test_roles_log_in(connection)


def uris(folder: Path) -> dict[str, str]:
    """Return the content of each file by its name."""
    return {path.name: path.read_text().strip() for path in folder.iterdir()}


async def user_of(uri: str) -> str:
    """Return the user that a connection URI logs in as."""
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        row = await (await connection.execute("SELECT session_user")).fetchone()
    assert row is not None
    return str(row[0])


async def test_each_role_gets_a_file_with_which_it_alone_logs_in(
    call_migrate: Migrate, tmp_path: Path
) -> None:
    folder = tmp_path / "database-roles"
    made = await call_migrate("--accounts", str(folder))
    assert (made.code, made.err) == (0, "")
    files = uris(folder)
    assert {role: await user_of(uri) for role, uri in files.items()} == {
        role: role_user(role) for role in RIGHTS
    }
    assert {stat.S_IMODE((folder / role).stat().st_mode) for role in RIGHTS} == {0o400}
    assert len(set(files.values())) == len(RIGHTS)
    assert not any(uri in made.out for uri in files.values())
    again = await call_migrate("--accounts", str(folder))
    assert (again.code, uris(folder)) == (0, files)


async def test_a_rotated_password_replaces_the_old_one_of_its_role_alone(
    call_migrate: Migrate, tmp_path: Path
) -> None:
    assert (await call_migrate("--accounts", str(tmp_path))).code == 0
    before = uris(tmp_path)
    rotated = await call_migrate("--accounts", str(tmp_path), "--rotate", "api")
    assert (rotated.code, rotated.out.splitlines()[-1]) == (0, "api has a new password: restart it")
    after = uris(tmp_path)
    assert {role for role in RIGHTS if before[role] != after[role]} == {"api"}
    assert await user_of(after["api"]) == "livetwin_api"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await user_of(before["api"])


async def test_the_server_has_only_verifiers_of_passwords(
    call_migrate: Migrate, postgres: PostgresServer, tmp_path: Path
) -> None:
    assert (await call_migrate("--accounts", str(tmp_path))).code == 0
    async with await postgres.connect_as_administrator() as administrator:
        cursor = await administrator.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'livetwin\\_%'"
        )
        verifiers: dict[str, str] = dict(await cursor.fetchall())
    assert verifiers.keys() == {role_user(role) for role in RIGHTS}
    assert all(verifier.startswith("SCRAM-SHA-256$") for verifier in verifiers.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("postgresql://livetwin:hidden@db/livetwin", "found the user 'livetwin', expected 'livetwin_api'"),
        ("postgresql://livetwin_api@db/livetwin", "found no password"),
        ("postgresql://livetwin_api:hidden@[db/livetwin", "expected postgresql://livetwin_api:PASSWORD@"),
    ],
)
async def test_a_file_that_is_not_the_account_of_its_role_is_an_error(
    call_migrate: Migrate, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "api").write_text(content)
    refused = await call_migrate("--accounts", str(tmp_path))
    assert refused.code == 1
    assert f"{tmp_path / 'api'}: {message}" in refused.err
    assert "hidden" not in refused.err


async def test_a_rotation_needs_the_folder(call_migrate: Migrate) -> None:
    refused = await call_migrate("--rotate", "api")
    assert refused.code == 2
    assert "--rotate needs --accounts" in refused.err
