"""Baselines of the time before a log began are read from stored hours."""

from __future__ import annotations

import pytest

from runtime.kafka import topics
from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.history.baseline_seed import read_baselines
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from twin.alarms.rules.operand import Operand, OperandSeries
from twin.alarms.rules.rule import Deviation, EntitySelection, Level, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, MINUTE, Instant
from twin.model.observation import Observation
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AGGREGATES, AggregateBatch

START: Instant = 1_767_571_200_000_000  # Monday 5 January 2026, 00:00 UTC
WEEKS = 8
ODD = high_water_rule(
    id="odd",
    condition=ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, 0.2, 0.1),),
        transform=Deviation("absolute"),
    ),
    select=EntitySelection(entities=("canal",)),
)
CANAL = OperandSeries("canal", "water_level", "instant", "value")


def mean_of(hour: Instant) -> float:
    """Return a mean that identifies the week and the hour."""
    return (hour - START) // (7 * DAY) + (hour % DAY // HOUR) / 100


async def stored(database: str) -> None:
    """Store the hours of both gauges in the preceding weeks."""
    aggregates = tuple(
        Aggregate(
            id,
            HOUR,
            hour,
            1,
            60,
            0,
            60.0,
            0,
            -9.0,
            9.0,
            mean_of(hour),
            None,
            mean_of(hour),
            mean_of(hour),
            b"",
        )
        for id in (1, 2)
        for hour in range(START - WEEKS * 7 * DAY, START, HOUR)
    )
    batch = LogBatch("log-1")
    batch_of_hours = AggregateBatch(LAYOUT_VERSION, START, 0, aggregates, (), ())
    batch.add(LogRecord(topics.AGGREGATES, 0, 0, 0, AGGREGATES.encode(batch_of_hours)))
    writer = BatchWriter(database, HistorianMetrics())
    await writer.store(batch)
    await writer.close()


async def test_baselines_cover_the_last_six_weeks(database: str) -> None:
    await stored(database)
    # The clock of a device may be a year ahead.
    newest = [
        Observation(1, START - MINUTE, START - MINUTE, -0.5, 0),
        Observation(2, START + 365 * DAY, START - MINUTE, -0.5, 0),
    ]
    async with await connect(database, role="test") as connection:
        found = await read_baselines(connection, alarm_city([ODD]), newest)
        assert found.keys() == {CANAL}
        expected = found[CANAL].value_at(START + 13 * HOUR, "Europe/Amsterdam")
        assert expected is not None
        assert expected.value == pytest.approx(-3.5 + 0.13)  # of weeks -6 to -1
        assert found[CANAL].learned_hour == START // HOUR - 1
        # Learning from the log continues after these weeks.
        found[CANAL].add(START - MINUTE, 99.0, "Europe/Amsterdam")
        assert found[CANAL].count == 0
        assert await read_baselines(connection, alarm_city([high_water_rule()]), newest) == {}
        assert await read_baselines(connection, alarm_city([ODD]), []) == {}
