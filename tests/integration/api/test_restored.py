"""A restored backup has the same contents, and the api gives the same responses from it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from alerting.incidents.journal import DutyJournal, JournalChange
from cli.command_line import run
from cli.embedded.postgres import EmbeddedPostgres
from storage.database import connect
from storage.stores.ledger import read_balance
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity, store_records
from tests.support.database.historian import record_with_headers
from twin.instant import DAY, HOUR, format_instant, parse_instant
from twin.model.observation import Observation

START = parse_instant("2026-09-24T00:00:00Z")
DAYS = 40  # several chunks of the hypertables

TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
ROWS = "SELECT count(*), md5(coalesce(string_agg(one::text, '|' ORDER BY one::text), '')) FROM {} AS one"
CHUNKS = """
    SELECT hypertable_name, count(*) FROM timescaledb_information.chunks GROUP BY hypertable_name
    ORDER BY hypertable_name
"""


async def contents(dsn: str) -> dict[str, Any]:
    """Return number and hash of the rows of every table, and the number of chunks of every hypertable."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        names = [name for (name,) in await (await connection.execute(TABLES)).fetchall()]
        rows: dict[str, Any] = {}
        for name in names:
            statement = sql.SQL(ROWS).format(sql.Identifier(name))
            rows[name] = await (await connection.execute(statement)).fetchone()
        rows["chunks"] = await (await connection.execute(CHUNKS)).fetchall()
    return rows


@pytest.fixture
async def filled(stored: StoredCity) -> StoredCity:
    """A city with observations over weeks, their messages, a ledger, and an API key."""
    id = stored.datastream("city.0")
    times = range(START, START + DAYS * DAY, 6 * HOUR)
    observations = [Observation(id, time, time, number / 8) for number, time in enumerate(times)]
    await store_records(stored, ("observations", 0, record_with_headers(observations, "run")))
    await create_token(stored.connection, "dashboard", "viewer")
    await stored.connection.commit()
    return stored


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "city.backup"


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> str:
    name = f"restored_{secrets.token_hex(4)}"
    await postgres.create_database(name)
    return postgres.dsn(name)


Livetwin = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def livetwin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Livetwin:
    """Run a command on a database; return the exit code and the error output."""

    async def command(database: str, *words: str, state: str = "state") -> tuple[int, str]:
        monkeypatch.setenv("LIVETWIN_DATABASE", database)
        monkeypatch.setenv("LIVETWIN_STATE_DIR", str(tmp_path / state))
        code = await asyncio.to_thread(run, list(words))
        return code, capsys.readouterr().err

    return command


@pytest.fixture
async def restored(filled: StoredCity, empty_database: str, file: Path, livetwin: Livetwin) -> str:
    """The restored database."""
    assert await livetwin(filled.dsn, "backup", str(file)) == (0, "")
    assert await livetwin(empty_database, "restore", str(file)) == (0, "")
    return empty_database


async def history(start_api: Any, kafka: str, stored: StoredCity, dsn: str) -> Any:
    span = f"start={format_instant(START)}&end={format_instant(START + DAYS * DAY)}"
    path = f"/v1/entities/city.0/history?property=pm2_5&interval=P1D&aggregate=mean,count&{span}"
    async with start_api(kafka, model=stored.model, database=dsn) as api:
        answer = await api.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["buckets"]


async def test_a_restored_database_is_the_same_and_works(
    start_api: Any, kafka: str, filled: StoredCity, restored: str
) -> None:
    expected = await contents(filled.dsn)
    assert expected["observation"][0] == DAYS * 4
    assert dict(expected["chunks"])["observation"] > 3
    assert await contents(restored) == expected
    async with await connect(restored, role="test") as connection:
        found = await read_balance(connection)
        assert found.balances
        assert found.stored == DAYS * 4
    answers = [await history(start_api, kafka, filled, dsn) for dsn in (filled.dsn, restored)]
    assert answers[0] == answers[1]
    assert sum(one["count"] for one in answers[1]) == DAYS * 4
    # What comes after the restore is stored beside it.
    later = Observation(filled.datastream("city.0"), START + DAYS * DAY, START + DAYS * DAY, 1.0)
    await store_records(
        filled._replace(dsn=restored), ("observations", 0, record_with_headers([later], "next"))
    )
    assert (await contents(restored))["observation"][0] == DAYS * 4 + 1


async def test_a_journal_is_backed_up_while_the_duty_loop_writes(
    filled: StoredCity, empty_database: str, file: Path, tmp_path: Path, livetwin: Livetwin
) -> None:
    journal = DutyJournal(tmp_path / "state/alerting-city.sqlite")
    journal.write(JournalChange(log="log-1", positions={("alarms", 0): 7}))
    assert await livetwin(filled.dsn, "backup", str(file)) == (0, "")
    journal.write(JournalChange(positions={("alarms", 0): 9}))
    journal.close()
    assert await livetwin(empty_database, "restore", str(file), state="restored") == (0, "")
    copy = DutyJournal(tmp_path / "restored/alerting-city.sqlite")
    assert copy.read().positions == {("alarms", 0): 7}
    copy.close()


async def test_a_restore_refuses_a_database_with_data(
    filled: StoredCity, file: Path, livetwin: Livetwin
) -> None:
    assert await livetwin(filled.dsn, "backup", str(file)) == (0, "")
    expected = await contents(filled.dsn)
    code, said = await livetwin(filled.dsn, "restore", str(file))
    assert code == 1
    assert "restore into a new database" in said
    code, said = await livetwin(filled.dsn, "backup", str(file))
    assert code == 1
    assert "already exists" in said
    assert await contents(filled.dsn) == expected


async def test_a_database_without_our_tables_cannot_be_backed_up(
    empty_database: str, file: Path, livetwin: Livetwin
) -> None:
    code, said = await livetwin(empty_database, "backup", str(file))
    assert code == 1
    assert "livetwin migrate" in said
