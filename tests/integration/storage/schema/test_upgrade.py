"""A database of the first release is upgraded to the present schema and keeps all rows."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cli.embedded.postgres import EmbeddedPostgres
from runtime.kafka import topics
from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.model.model_source import ModelSource
from storage.queries import query
from storage.schema.migrate import known_migrations, migrate
from storage.stores.ledger import read_balance
from storage.stores.log_positions import read_positions
from tests.support.database.historian import record_with_headers
from twin.instant import HOUR, parse_instant
from twin.model.observation import Observation

OLDEST = 5
"""So many migrations the first release had that kept history."""

START = parse_instant("2026-09-01T00:00:00Z")
HOURS = 240  # ten chunks

HELD = """
INSERT INTO city VALUES ('alkmaar', 'Alkmaar', 'Europe/Amsterdam', 7);
INSERT INTO entity VALUES
    ('alkmaar', 'Municipality', 'Alkmaar', NULL, NULL, '{}', '[]'),
    ('alkmaar.overdie', 'Neighbourhood', 'Overdie', 'alkmaar',
        '{"type": "Point", "coordinates": [4.7, 52.6]}', '{"connections": 2900}',
        '[{"type": "adjacentTo", "target": "alkmaar"}]');
INSERT INTO observed_property VALUES ('pollen', '1/m3', 'air', 0, 1000, 'mean', 'mean');
INSERT INTO feed VALUES ('buoys', 'buoys/+/json', 'json_fields', 1);
INSERT INTO sensor VALUES ('aq-1', 'ttn', 'eui-1', 'alkmaar.overdie', '10 minutes', false);
INSERT INTO datastream (sensor_id, entity_id, property, field, unit, scale, "offset", interval)
    VALUES ('aq-1', 'alkmaar.overdie', 'pm2_5', 'pm2_5', 'ug/m3', 1, 0, '10 minutes');
INSERT INTO model_change (version, kind, key, action, difference)
    VALUES (7, 'sensor', 'aq-1', 'create', '{}');
INSERT INTO observation
    SELECT time, time + '1 second', extract(hour FROM time) / 4, 1, 0
    FROM generate_series(timestamptz '2026-09-01 00:00:00Z', '2026-09-10 23:00:00Z', '1 hour') AS time;
INSERT INTO datastream_state VALUES (1, '2026-09-10 23:00:00Z', '2026-09-10 23:00:01Z', 5.75, 0);
INSERT INTO property_state VALUES
    ('alkmaar.overdie', 'pm2_5', 240, 5.75, '2026-09-10 23:00:00Z', '2026-09-10 23:00:01Z', 0, '{1}');
INSERT INTO log_position (log_id, topic, partition, next_offset) VALUES ('log', 'observations', 0, 240);
INSERT INTO quarantine VALUES
    ('q1', 'ttn', 'v3/a@b/devices/eui-9/up', '2026-09-10 23:00:00Z', 'unknown-sensor', 'who?', '{}', 2, 'x');
"""

COLUMNS = """
SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'schema_migration'
GROUP BY table_name
"""

Rows = dict[str, list[Any]]


async def rows_of(connection: Any, columns: dict[str, list[str]]) -> Rows:
    """Return the values of some columns of tables, in a fixed order."""
    found: Rows = {}
    for table, names in columns.items():
        statement = sql.SQL("SELECT {} FROM {} AS one ORDER BY (one.{})::text, one::text").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table), sql.Identifier(names[0])
        )
        found[table] = await (await connection.execute(statement)).fetchall()
    return found


@pytest.fixture
async def first_release(postgres: EmbeddedPostgres) -> str:
    """Return a database of the first release, with history in every table."""
    name = f"first_release_{secrets.token_hex(4)}"
    await postgres.create_database(name)
    database = postgres.dsn(name)
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute(query("schema/create_migration_table"))
        for migration in known_migrations()[:OLDEST]:
            await connection.execute(migration.statements)
            await connection.execute(query("schema/record_migration"), (migration.name, migration.checksum))
        await connection.execute(HELD)
    return database


async def test_a_database_of_the_first_release_keeps_all_rows(first_release: str, tmp_path: Path) -> None:
    async with await psycopg.AsyncConnection.connect(first_release) as connection:
        columns: dict[str, list[str]] = dict(await (await connection.execute(COLUMNS)).fetchall())
        before = await rows_of(connection, columns)
    assert all(before.values()), "every table of the first release is tried"
    assert len(before["observation"]) == HOURS

    assert await migrate(first_release) == [one.name for one in known_migrations()[OLDEST:]]

    async with await psycopg.AsyncConnection.connect(first_release) as connection:
        assert await rows_of(connection, columns) == before
    model = await ModelSource(first_release, "alkmaar", tmp_path).load()
    assert model.entities["alkmaar.overdie"].attributes == {"connections": 2900}
    assert model.datastreams[1].sensor == "aq-1"
    assert "pollen" in model.properties
    async with await connect(first_release, role="test") as connection:
        assert (await read_balance(connection)).balances
        assert await read_positions(connection, "log") == {("observations", 0): HOURS}


async def test_history_of_the_first_release_continues(first_release: str) -> None:
    await migrate(first_release)
    known = Observation(1, START, START + 1_000_000, 0.0)
    new = Observation(1, START + HOURS * HOUR, START + HOURS * HOUR, 8.0)
    batch = LogBatch("log")
    batch.add(LogRecord(topics.OBSERVATIONS, 0, HOURS, 0, record_with_headers([known, new], "run")))
    writer = BatchWriter(first_release, HistorianMetrics())
    await writer.read_positions("log")
    await writer.store(batch)
    await writer.close()
    async with await connect(first_release, role="test") as connection:
        found = await read_balance(connection)
        assert await read_positions(connection, "log") == {("observations", 0): HOURS + 1}
    assert (found.stored, found.counts.duplicate) == (HOURS + 1, 1)
    assert found.balances
