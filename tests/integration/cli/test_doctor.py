"""`livetwin doctor` reports interruptions of the MQTT session, and history that is computed again."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cli.commands.doctor import DoctorFinding, check_embedded_system, check_interruptions, check_recomputes
from cli.embedded.ports import free_port
from cli.supervisor.ports_file import PORTS_FILE_NAME
from ingest.mqtt.continuity import Interruption
from ingest.pipeline.interruptions import interruption_record
from runtime.clock import system_clock
from runtime.kafka import topics
from storage.database import Connection, connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.model.model_store import apply_plan
from tests.support.cities.canal_city import canal_plan
from twin.errors import ServiceError
from twin.instant import DAY, MINUTE, Instant, parse_instant
from twin.quality.plausibility import QuarantineReason
from twin.wire.messages import QUARANTINE

NOW = parse_instant("2026-11-23T12:00:00Z")


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, canal_plan())
        yield connection


async def execute(connection: Connection, statement: str) -> None:
    async with connection.transaction():
        await connection.execute(statement)


async def test_the_progress_of_open_requests_is_reported(connection: Connection, database: str) -> None:
    assert await check_recomputes(database) == []
    await execute(
        connection,
        "INSERT INTO recompute_request "
        "(sensor_id, property, start, reason, requested_at, began, until, done_at) VALUES "
        "('s1', 'water_level', '2026-01-02Z', 'quality', '2026-01-09Z', '2026-01-01Z', '2026-01-05Z', NULL), "
        "('s2', 'water_level', '2026-01-01Z', 'quality', '2026-01-09Z', NULL, NULL, '2026-01-09Z'), "
        "('s2', NULL, '2026-01-01Z', 'correction', '2026-01-08Z', NULL, NULL, NULL), "
        "('s2', NULL, '2026-01-01Z', 'correction', '2026-01-07Z', NULL, NULL, '2026-01-07Z')",
    )
    assert await check_recomputes(database) == [
        DoctorFinding(
            True,
            "history is computed again, 62 %: water_level of 2 sensors (1 finished), "
            "quality since 2026-01-09T00:00:00Z",
        ),
        DoctorFinding(
            True,
            "history is computed again, 0 %: everything of 1 sensor (0 finished), "
            "correction since 2026-01-08T00:00:00Z",
        ),
    ]


async def store_interruptions(database: str, *found: tuple[QuarantineReason, Instant]) -> None:
    batch = LogBatch("log")
    for offset, (reason, time) in enumerate(found):
        entry = interruption_record(Interruption(reason, 2, time, time)).quarantined
        assert entry is not None
        batch.add(LogRecord(topics.QUARANTINE, 0, offset, 0, QUARANTINE.encode(entry)))
    writer = BatchWriter(database, HistorianMetrics())
    await writer.store(batch)
    await writer.close()


@pytest.mark.usefixtures("connection")
async def test_interruptions_of_the_last_day_are_faults(database: str) -> None:
    assert await check_interruptions(database, NOW) == []
    await store_interruptions(
        database,
        (QuarantineReason.SESSION_TAKEN_OVER, NOW - DAY),
        (QuarantineReason.SESSION_LOST, NOW - DAY + MINUTE),
        (QuarantineReason.SESSION_TAKEN_OVER, NOW - MINUTE),
    )
    found = await check_interruptions(database, NOW)
    assert [one.ok for one in found] == [False, False]
    assert [one.message.split(" (")[0] for one in found] == [
        "MQTT session of ingest, session-taken-over: another client connected with the client id of ingest",
        "MQTT session of ingest, session-lost: the broker no longer had the session of ingest",
    ]
    assert all("runbook.md#mqttsessioninterrupted" in one.message for one in found)


@pytest.mark.usefixtures("connection")
async def test_a_running_system_is_asked_for_interruptions(database: str, tmp_path: Path) -> None:
    await store_interruptions(database, (QuarantineReason.SESSION_LOST, system_clock()))
    content = {"supervisor": os.getpid(), "pids": {}, "http": free_port(), "database": database}
    (tmp_path / PORTS_FILE_NAME).write_text(json.dumps(content))
    [api, interruption] = await check_embedded_system(tmp_path)
    assert "api on port" in api.message
    assert "session-lost" in interruption.message


async def test_a_database_without_our_tables_needs_migrations(connection: Connection, database: str) -> None:
    await execute(connection, "DROP TABLE recompute_request")
    with pytest.raises(ServiceError, match="livetwin migrate"):
        await check_recomputes(database)
    await execute(connection, "DROP TABLE quarantine CASCADE")
    with pytest.raises(ServiceError, match="livetwin migrate"):
        await check_interruptions(database, NOW)
