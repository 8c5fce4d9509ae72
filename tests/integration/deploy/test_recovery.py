"""A base backup and the write-ahead log lead to the moment before a mistake, as docs/how-to/backup.md
says.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from cli.embedded.postgres import EmbeddedPostgres, find_postgres_program
from storage.schema.migrate import migrate
from tests.support.database.historian import make_observations
from tests.support.database.history_rows import store_observations
from tests.support.waiting import wait_until

POINT = "before_the_mistake"


@contextmanager
def receiving(dsn: str, folder: Path) -> Iterator[None]:
    """Receive the write-ahead log of a server into a folder while the block runs."""
    folder.mkdir()
    command = [
        str(find_postgres_program("pg_receivewal")),
        f"--directory={folder}",
        "--slot=livetwin",
        f"--dbname={dsn}",
    ]
    subprocess.run([*command, "--create-slot", "--if-not-exists"], check=True)
    process = subprocess.Popen([*command, "--synchronous"])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def count(dsn: str) -> int:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        row = await (await connection.execute("SELECT count(*) FROM observation")).fetchone()
    return 0 if row is None else int(row[0])


async def insert(dsn: str, first: int, last: int) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await store_observations(connection, make_observations(last)[first:])


async def mistake(dsn: str, log: Path) -> None:
    """Return a time, delete all data after it, and wait until the folder has the log of both."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SELECT pg_create_restore_point(%s)", (POINT,))
        await connection.execute("DELETE FROM observation")
        row = await (await connection.execute("SELECT pg_walfile_name(pg_switch_wal())")).fetchone()
    assert row is not None
    await asyncio.to_thread(wait_until, (log / row[0]).exists, lambda: sorted(log.iterdir()))


async def test_the_moment_before_a_mistake_is_reached(service_folder: Path) -> None:
    server, copy = EmbeddedPostgres(service_folder / "one"), EmbeddedPostgres(service_folder / "two")
    log, base = service_folder / "wal", service_folder / "two/postgres/data"
    base.parent.mkdir(parents=True)
    await server.start()
    try:
        await server.create_database()
        await migrate(server.dsn())
        await insert(server.dsn(), 0, 300)
        with receiving(server.dsn(), log):
            backup = [
                str(find_postgres_program("pg_basebackup")),
                f"--pgdata={base}",
                "--wal-method=none",
                "--checkpoint=fast",
            ]
            await asyncio.to_thread(subprocess.check_call, [*backup, f"--dbname={server.dsn()}"])
            await insert(server.dsn(), 300, 500)
            await mistake(server.dsn(), log)
        assert await count(server.dsn()) == 0
    finally:
        await server.stop()
    shutil.copyfile(service_folder / "one/postgres.password", service_folder / "two/postgres.password")
    (base / "recovery.signal").touch()
    with (base / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            f'restore_command = \'cp {log}/%f "%p" || cp {log}/%f.partial "%p"\'\n'
            f"recovery_target_name = '{POINT}'\nrecovery_target_action = 'promote'\n"
        )
    for path in (log, base.parent):
        for file in (path, *path.rglob("*")):
            if copy.account is not None:
                shutil.chown(file, copy.account.uid, copy.account.gid)
    await copy.start()
    try:
        assert await count(copy.dsn()) == 500
    finally:
        await copy.stop()
