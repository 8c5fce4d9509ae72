"""Back-tests over the stored history of a live run raise the same alarms."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from runtime.kafka import topics
from storage.database import QueryError, connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.history.backtest import backtest_rules
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.alarms.rules.expression import CompiledExpression
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Deviation,
    EntitySelection,
    ExpressionCondition,
    Level,
    NOfM,
    OutageCondition,
    QualityRank,
    Rate,
    Rule,
    SilenceCondition,
    ThresholdCondition,
)
from twin.alarms.rules.schedule import WeeklyInterval, WeeklySchedule
from twin.alarms.severity import Severity
from twin.backtest.firing import Firing, firings_of
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant, to_datetime
from twin.model.bilingual_text import BilingualText
from twin.model.calibration import Calibration
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AGGREGATES, OBSERVATIONS, AggregateBatch, ObservationBatch

START: Instant = 1_767_571_200_000_000  # Monday 5 January 2026, 00:00 UTC
MINUTES = 6 * 60
END: Instant = START + MINUTES * MINUTE + HOUR // 2
SILENT = range(200, 240)  # minutes in which the polder reports nothing


def level(*levels: Level, **changes: object) -> ThresholdCondition:
    known: dict[str, object] = {
        "operand": Operand("water_level"),
        "direction": "above",
        "levels": levels,
        "relative_to": "targetLevel",
    }
    return ThresholdCondition(**{**known, **changes})  # type: ignore[arg-type]


def minor(raised: float, clear: float) -> Level:
    return Level(Severity.MINOR, raised, clear)


DRAINS = "water_level > -1.9 && drainsTo.water_level > -0.45"

RULES = [
    high_water_rule(),
    high_water_rule(id="delayed", on_delay=3 * MINUTE, off_delay=4 * MINUTE),
    high_water_rule(id="low", condition=level(minor(-0.1, -0.08), direction="below")),
    high_water_rule(id="often", condition=level(minor(0.1, 0.05), times=NOfM(3, 5))),
    high_water_rule(
        id="rising",
        condition=level(minor(0.4, 0.2), relative_to="", transform=Rate(HOUR, 15 * MINUTE)),
    ),
    high_water_rule(
        id="mean", condition=level(minor(0.05, 0.0), operand=Operand("water_level", "ten_minutes"))
    ),
    high_water_rule(
        id="peak",
        condition=level(minor(0.1, 0.05), operand=Operand("water_level", "ten_minutes", "maximum")),
        off_delay=10 * MINUTE,
    ),
    high_water_rule(
        id="poor", condition=level(minor(1.0, 0.0), relative_to="", transform=QualityRank()), on_delay=MINUTE
    ),
    high_water_rule(id="any", quality="any"),
    high_water_rule(
        id="at-night", schedule=WeeklySchedule((WeeklyInterval(tuple(range(7)), 2 * 60, 4 * 60),))
    ),
    high_water_rule(
        id="both",
        condition=ExpressionCondition(
            source=DRAINS, operands=tuple(CompiledExpression(DRAINS).operands), severity=Severity.MAJOR
        ),
        select=EntitySelection(types=("Polder",)),
        on_delay=2 * MINUTE,
    ),
    Rule(
        id="silent",
        version=1,
        title=BilingualText("Silent", "Stil"),
        theme="water",
        condition=SilenceCondition(severity=Severity.WARNING, intervals=5),
    ),
    Rule(
        id="out",
        version=1,
        title=BilingualText("Out", "Weg"),
        theme="water",
        condition=OutageCondition(supply="feed", severity=Severity.MAJOR, reports_missed=1, sensors_min=1),
    ),
]
MODEL = alarm_city(RULES)
REST = {1: -0.45, 2: -1.92, 3: -0.47, 4: 20.0, 5: 40.0}
"""What the sensors come back to, by datastream."""

SEVERAL = [
    high_water_rule(id="combined", on_delay=2 * MINUTE),
    high_water_rule(
        id="peak",
        condition=level(minor(0.1, 0.05), operand=Operand("water_level", "ten_minutes", "maximum")),
    ),
    high_water_rule(
        id="deviation", condition=level(minor(0.08, 0.04), operand=Operand("level_deviation"), relative_to="")
    ),
    high_water_rule(
        id="area",
        condition=level(minor(31.0, 29.0), operand=Operand("area_pm2_5", whose="area"), relative_to=""),
        on_delay=3 * MINUTE,
    ),
]


def crowded() -> CityModel:
    """Return the town with a second gauge on the canal, calibrated in between, and with air in an area."""
    model = alarm_city(SEVERAL)
    sensors, datastreams = dict(model.sensors), dict(model.datastreams)
    for id, entity, property in ((3, "canal", "water_level"), (4, "canal", "pm2_5"), (5, "polder", "pm2_5")):
        sensor = replace(model.sensors["gauge-canal"], id=f"s{id}", device=f"s{id}", entity=entity)
        sensors[sensor.id] = sensor
        datastreams[id] = replace(
            model.datastreams[1], id=id, sensor=sensor.id, entity=entity, property=property
        )
    calibrations = (
        Calibration(sensor="s3", property="water_level", start=START + 100 * MINUTE, gain=0.9, offset=-0.04),
        Calibration(sensor="s3", property="water_level", start=START + 150 * MINUTE, offset=0.02),
    )
    return replace(model, sensors=sensors, datastreams=datastreams, calibrations=calibrations)


def measured(model: CityModel) -> Iterator[list[Observation]]:
    """Yield observations of drifting sensors each minute: some late, some bad, one absent for a while."""
    dice = random.Random(7)
    rest = {id: REST[id] for id in model.datastreams}
    levels = rest.copy()
    waiting: list[Observation] = []
    for minute in range(MINUTES):
        time = START + minute * MINUTE
        now: list[Observation] = []
        later: list[Observation] = []
        for id, value in levels.items():
            levels[id] = value + dice.gauss(0.02 * (rest[id] - value), 3.0 if id > 3 else 0.03)
            flags = dice.choices((0, int(QualityFlag.ESTIMATED), int(QualityFlag.SPIKE)), (90, 5, 5))[0]
            one = Observation(id, time, time + 5 * SECOND, round(levels[id], 3), flags)
            if id in (2, 3) and minute in SILENT:
                continue
            (later if dice.random() < 0.1 else now).append(one)
        yield now + [one._replace(received_time=time + 5 * SECOND) for one in waiting]
        waiting = later


def lived(model: CityModel) -> StagePipeline:
    """Return the live run: every minute in order, with clock ticks without a pause where it matters."""
    run = StagePipeline(model)
    for minute, found in enumerate(measured(model)):
        now = START + minute * MINUTE + 5 * SECOND
        if SILENT.start - 5 <= minute <= SILENT.stop or minute >= MINUTES - 5:
            run.advance(now - 5 * SECOND, 5 * SECOND)
        run.observe(*found, now=now)
    run.advance(END, 5 * SECOND)
    return run


async def stored(run: StagePipeline, database: str) -> None:
    """Store everything that a run has emitted."""
    batch = LogBatch("log-1")
    for topic in (topics.OBSERVATIONS, topics.UPDATES, topics.AGGREGATES, topics.ALARMS):
        for number in range(run.partitions):
            for offset, value in enumerate(run.records[topic, number]):
                batch.add(LogRecord(topic, number, offset, 0, value))
    writer = BatchWriter(database, HistorianMetrics())
    try:
        await writer.store(batch)
    finally:
        await writer.close()


def firing_facts(firings: list[Firing]) -> list[tuple[str, Instant, Instant | None, str]]:
    return sorted((one.alarm, one.raised, one.returned, one.severity.word) for one in firings)


async def assert_same_alarms(model: CityModel, database: str) -> None:
    """Fail unless a back-test of every rule finds the alarms of the live run."""
    run = lived(model)
    await stored(run, database)
    rules = list(model.rules.values())
    async with await connect(database, role="test") as connection:
        found = await backtest_rules(connection, rules, model, (START, END), Severity.WARNING)
    live = firings_of(run.alarms)
    for rule, findings in zip(rules, found, strict=True):
        mine = [one for one in live if one.alarm.startswith(f"{rule.id}~")]
        assert mine, f"{rule.id} raises no alarm: the data do not test it"
        assert firing_facts(list(findings.firings)) == firing_facts(mine), rule.id
        assert not findings.errors


async def test_a_back_test_finds_the_alarms_of_the_live_run(database: str) -> None:
    await assert_same_alarms(MODEL, database)


async def test_a_back_test_matches_for_combined_calibrated_and_derived_values(database: str) -> None:
    await assert_same_alarms(crowded(), database)


async def test_baselines_are_learned_from_the_weeks_before(database: str) -> None:
    rule = high_water_rule(
        id="odd",
        condition=level(minor(0.2, 0.1), relative_to="", transform=Deviation("absolute")),
        select=EntitySelection(entities=("canal",)),
    )
    model = alarm_city([rule])
    aggregates = tuple(
        Aggregate(1, HOUR, START - hours * HOUR, 1, 60, 0, 60.0, 0, -0.6, -0.4, -0.5, None, -0.5, -0.5, b"")
        for hours in range(1, 4 * 7 * 24)
    )
    found = tuple(
        Observation(1, START + minute * MINUTE, START + minute * MINUTE, -0.5 + 0.25 * (20 <= minute < 30))
        for minute in range(60)
    )
    batch = LogBatch("log-1")
    published_before = AggregateBatch(LAYOUT_VERSION, START, 0, aggregates, (), ())
    batch.add(LogRecord(topics.AGGREGATES, 0, 0, 0, AGGREGATES.encode(published_before)))
    observed = ObservationBatch(LAYOUT_VERSION, found, START)
    batch.add(LogRecord(topics.OBSERVATIONS, 0, 0, 0, OBSERVATIONS.encode(observed)))
    writer = BatchWriter(database, HistorianMetrics())
    await writer.store(batch)
    await writer.close()
    async with await connect(database, role="test") as connection:
        (findings,) = await backtest_rules(connection, [rule], model, (START, START + HOUR), Severity.WARNING)
        assert firing_facts(list(findings.firings)) == [
            ("odd~canal", START + 20 * MINUTE, START + 30 * MINUTE, "minor")
        ]
        # With too few weeks before, nothing is unusual.
        await connection.execute(
            "DELETE FROM aggregate_hour WHERE start < %s", (to_datetime(START - 15 * DAY),)
        )
        (findings,) = await backtest_rules(connection, [rule], model, (START, START + HOUR), Severity.WARNING)
        assert findings.firings == ()


async def test_too_much_history_is_refused_before_it_is_read(database: str) -> None:
    model = crowded()
    many = {id: replace(model.datastreams[1], id=id, interval=SECOND) for id in range(1, 40)}
    async with await connect(database, role="test") as connection:
        with pytest.raises(QueryError, match="expected at most 20,000,000"):
            await backtest_rules(
                connection,
                [high_water_rule()],
                replace(model, datastreams=many),
                (START - 30 * DAY, START),
                Severity.WARNING,
            )
