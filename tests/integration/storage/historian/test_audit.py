"""The audit, the lag and the age of the backlog are reported correctly."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry

from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from storage.database import connect
from storage.historian.audit import audit_ledger
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.log_reader import LogReader
from storage.historian.metrics import HistorianMetrics
from storage.historian.partition_assignment import ALL_PARTITIONS
from tests.support.database.historian import (
    START,
    historian_settings,
    make_observations,
    observation_records,
    record_with_headers,
    write_records,
)
from twin.instant import SECOND


def value(metrics: HistorianMetrics, name: str) -> float:
    found = metrics.registry.get_sample_value(f"livetwin_historian_{name}")
    assert found is not None
    return found


async def test_the_audit_reports_whether_the_ledger_balances(database: str) -> None:
    metrics = HistorianMetrics()
    assert math.isnan(value(metrics, "ledger_balances"))
    writer = BatchWriter(database, metrics)
    batch = LogBatch("log")
    batch.add(LogRecord(topics.OBSERVATIONS, 0, 0, 0, record_with_headers(make_observations(4), "run")))
    await writer.store(batch)
    await writer.close()
    async with await connect(database, role="test") as connection:
        await audit_ledger(connection, metrics, lambda: START)
        assert value(metrics, "ledger_balances") == 1
        assert value(metrics, "ledger_lost_messages") == 0
        assert value(metrics, "database_bytes") > 1_000_000
        assert value(metrics, "audit_timestamp_seconds") == START / SECOND
        await connection.execute("DELETE FROM observation WHERE datastream_id = 1")
        await connection.commit()
        await audit_ledger(connection, metrics, lambda: START)
    assert value(metrics, "ledger_balances") == 0


async def test_the_lag_counts_the_records_that_were_not_read(kafka: str, database: str) -> None:
    await write_records(kafka, topics.NOTIFICATIONS, observation_records(make_observations(300), size=1))
    metrics = HistorianMetrics()
    small = historian_settings(kafka, database, historian_rows_max=1)
    reader = LogReader(small, await log_identity(kafka), metrics, ALL_PARTITIONS)
    try:
        await reader.start({})
        while not (first := await reader.read_batch()).next_offsets:
            pass  # a broker with much to do answers after the reader looked
        taken = first.next_offsets[topics.NOTIFICATIONS, 0]
        assert 0 < taken < 300
        assert reader.lag() == 300 - taken
        assert first.oldest_ms is not None
        assert first.newest_ms is not None
        assert first.oldest_ms <= first.newest_ms
        while reader.lag():
            assert (await reader.read_batch()).next_offsets
    finally:
        await reader.stop()


def test_the_age_of_the_backlog_grows_until_it_is_stored() -> None:
    now = START
    metrics = HistorianMetrics(CollectorRegistry(), lambda: now)
    assert value(metrics, "unstored_seconds") == 0
    metrics.set_oldest_unstored(START - 3 * SECOND)
    assert value(metrics, "unstored_seconds") == 3
    now += 60 * SECOND
    assert value(metrics, "unstored_seconds") == 63
    metrics.set_oldest_unstored(None)
    assert value(metrics, "unstored_seconds") == 0
