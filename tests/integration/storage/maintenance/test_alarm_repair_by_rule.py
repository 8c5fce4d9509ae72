"""After late data, alarms on deviations, expressions and areas equal the back-test, as those on levels do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import cos, pi
from random import Random

import pytest
import pytest_asyncio

from tests.support.cities.alarm_city import high_water_rule
from tests.support.cities.city_builder import CityBuilder
from tests.support.pipelines.stored_run import Fact, StoredRun, store_datastreams
from twin.alarms.rules.expression import CompiledExpression
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Deviation,
    EntitySelection,
    ExpressionCondition,
    Level,
    Rule,
    ThresholdCondition,
)
from twin.alarms.severity import Severity
from twin.instant import HOUR, SECOND, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation

START: Instant = 1_767_571_200_000_000  # Monday 5 January 2026, 00:00 UTC
HOURS = 5 * 7 * 24
END = START + (HOURS + 24) * HOUR
LATE = range(25 * 24 + 2, 26 * 24 + 6)
"""The hours of a day in the fourth week, when a baseline is known."""
PEAK = range(25 * 24 + 8, 25 * 24 + 13)


def threshold(operand: Operand, raised: float, **changes: object) -> ThresholdCondition:
    levels = (Level(Severity.MINOR, raised, raised - 2), Level(Severity.MAJOR, raised + 15, raised + 13))
    return ThresholdCondition(operand=operand, direction="above", levels=levels, **changes)  # type: ignore[arg-type]


def rules() -> list[Rule]:
    both = "air_temperature > 17.0 && pm2_5 > 45.0"
    stations, areas = EntitySelection(types=("Street",)), EntitySelection(types=("District", "Municipality"))
    return [
        high_water_rule(
            id="deviation",
            select=stations,
            condition=threshold(Operand("pm2_5"), 20.0, transform=Deviation("absolute")),
        ),
        high_water_rule(
            id="expression",
            select=stations,
            condition=ExpressionCondition(
                source=both, operands=CompiledExpression(both).operands, severity=Severity.MAJOR
            ),
        ),
        high_water_rule(id="area", select=areas, condition=threshold(Operand("area_pm2_5"), 35.0)),
    ]


def city() -> CityModel:
    builder = CityBuilder().entity("town", "Municipality").entity("town.east", "District")
    for street in ("town.east.a", "town.east.b"):
        builder.entity(street, "Street").sensor(street, street, "pm2_5", "air_temperature", interval=HOUR)
    return builder.model(rules={one.id: one for one in rules()})


def measured(model: CityModel) -> list[Observation]:
    """Return five weeks of hours with a daily course, and peaks of some hours on some days."""
    dice, found = Random(2), []
    for datastream in model.datastreams.values():
        is_dust = datastream.property == "pm2_5"
        for hour in range(HOURS):
            value = (18.0 if is_dust else 16.0) - 6 * cos(2 * pi * hour / 24) + dice.gauss(0, 1.0)
            if is_dust and (hour in PEAK or (hour // 24 % 5 == 3 and 9 <= hour % 24 < 12)):
                value += 40
            time = START + hour * HOUR
            found.append(Observation(datastream.id, time, time + SECOND, round(value, 2)))
    return sorted(found, key=lambda one: (one.phenomenon_time, one.datastream))


@pytest_asyncio.fixture
async def run(database: str) -> AsyncIterator[StoredRun]:
    run = StoredRun(city(), database)
    await store_datastreams(run.model, database)
    yield run
    await run.close()


def is_late(observation: Observation) -> bool:
    return (observation.phenomenon_time - START) // HOUR in LATE


def in_peak(facts: list[Fact]) -> set[str]:
    """Return the alarms that were raised in the peak that came late."""
    return {
        alarm
        for alarm, raised, *_ in facts
        if START + PEAK.start * HOUR <= raised <= START + PEAK.stop * HOUR
    }


ALARMS = {
    *(f"{rule}~town.east.{street}" for rule in ("deviation", "expression") for street in "ab"),
    "area~town.east",
    "area~town",
}


@pytest.mark.parametrize("restarts", [False, True])
async def test_alarms_after_a_late_day_are_those_of_the_back_test(run: StoredRun, *, restarts: bool) -> None:
    observations = measured(run.model)
    for number, observation in enumerate(one for one in observations if not is_late(one)):
        if restarts and number == 2_000:
            await run.restart()
        run.pipeline.observe(observation)
    received = observations[-1].received_time + HOUR
    for observation in filter(is_late, observations):
        run.pipeline.observe(observation._replace(received_time=received))
    if restarts:
        await run.restart()
    run.pipeline.advance(received + 2 * HOUR, step=HOUR)
    await run.repair()
    episodes = await run.episodes(START, END)
    assert episodes == await run.backtest(START, END)
    assert in_peak(episodes) == ALARMS
    assert len(episodes) > 3 * len(ALARMS)
