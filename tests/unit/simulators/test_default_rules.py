"""The rules of Alkmaar raise no alarm on an ordinary simulated day, and each scenario raises its own alarms.

The sensors' values come from the simulated truth every ten minutes; the rules are evaluated as on history.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from statistics import fmean
from typing import NamedTuple

import pytest

from cities import default_city
from cities.folder_reader import read_city
from simulators.scenarios import build_scenario
from simulators.truth.city_truth import CityTruth
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries, Point
from twin.alarms.rules.rule import Deviation, ExpressionCondition, QualityRank, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.alarms.severity import Severity
from twin.backtest.condition_replay import ConditionReplay
from twin.backtest.point_column import PointColumn
from twin.indicators.indicator import InputValue
from twin.indicators.registry import REGISTRY
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant
from twin.model.city_model import CityModel

EVENING = parse_instant("2026-11-24T17:00:00+01:00")
STEP = 10 * MINUTE
LIVE = 3 * STEP
WINDOWS = {"instant": STEP, "ten_minutes": STEP, "hour": HOUR, "day": HOUR}

CASES: list[tuple[str | None, dict[str, Severity]]] = [
    (None, {}),
    ("rush-hour", {"congestion": Severity.MINOR}),
    (
        "cloudburst",
        {"high-water": Severity.CRITICAL, "rising-water": Severity.MINOR, "heavy-rain": Severity.MINOR},
    ),
    ("new-year", {"bad-air": Severity.MAJOR}),
    ("heat-pumps", {"transformer-load": Severity.MINOR}),
]


@cache
def alkmaar() -> CityModel:
    return read_city(default_city()).model(1)


class Day(NamedTuple):
    """A day of the simulated city, as its sensors report it."""

    truth: CityTruth
    start: Instant
    values: dict[tuple[str, str, Instant], float]
    known: dict[OperandSeries, list[Point]]

    def value(self, entity: str, property: str, time: Instant) -> float:
        """Return the mean of the entity's sensors at a time; of rain, the amount until then."""
        key = entity, property, time
        if key not in self.values:
            streams = alkmaar().datastreams_of(entity, property)
            values = [
                self.truth.value(stream, time) * (STEP / stream.interval if property == "rainfall" else 1)
                for stream in streams
            ]
            total = alkmaar().properties[property].combination == "sum"
            self.values[key] = sum(values) if total else fmean(values)
        return self.values[key]

    def window(self, entity: str, property: str, start: Instant, size: int) -> float:
        """Return the value of a window: its mean, or for rain its sum."""
        parts = [self.value(entity, property, time) for time in range(start + STEP, start + size + 1, STEP)]
        return sum(parts) if alkmaar().properties[property].aggregation == "sum" else fmean(parts)

    def points(self, series: OperandSeries) -> list[Point]:
        """Return the points of a series over the day."""
        if series not in self.known:
            self.known[series] = self._points(series)
        return self.known[series]

    def _points(self, series: OperandSeries) -> list[Point]:
        size = WINDOW_SIZES[series.over] or STEP
        if series.name in REGISTRY:
            size = max(WINDOWS[one.averaging] for one in REGISTRY[series.name].inputs)
        times = range(self.start - self.start % size + size, self.start + DAY, size)
        if series.name in alkmaar().properties:
            return [
                Point(time, self.window(series.entity, series.name, time - size, size), 0, time + size + LIVE)
                for time in times
            ]
        derived = ((time, self.indicator(series, time)) for time in times)
        return [Point(time, value, 0, time + size + LIVE) for time, value in derived if value is not None]

    def indicator(self, series: OperandSeries, time: Instant) -> float | None:
        """Return the value of an indicator at a time."""
        indicator, entity = REGISTRY[series.name], alkmaar().entities[series.entity]
        inputs = {}
        available = [one for one in indicator.inputs if alkmaar().datastreams_of(entity.id, one.property)]
        for needed in [one for one in available if one.need == "sole"] or available:
            size = WINDOWS[needed.averaging]
            last = time - time % size
            starts = range(last - max(needed.history, size), last, size)
            inputs[needed.property] = [
                InputValue(
                    self.window(entity.id, needed.property, start, size),
                    start + size if needed.averaging == "instant" else start,
                )
                for start in starts
            ]
        found = indicator.evaluate(inputs, entity.attributes)
        return found.value if found is not None else None

    def worst(self, bound: BoundRule) -> Severity:
        """Return the highest severity of a rule's firings on the day."""
        replay = ConditionReplay.initial(bound, alkmaar())
        columns = [self.points(series) for series in bound.series]
        if len(columns) > 1:
            together = sorted(set.intersection(*({one.time for one in each} for each in columns)))
            columns = [[one for one in each if one.time in together] for each in columns]
        replay.on_columns([PointColumn.from_points(each) for each in columns])
        replay.end(self.start + DAY)
        assert replay.error == ""
        return max((one.severity for one in replay.firings()), default=Severity.CLEARED)


def judged_by_value(bound: BoundRule) -> bool:
    condition = bound.rule.condition
    if isinstance(condition, ThresholdCondition):
        # What is usual takes weeks to learn, and the truth is never suspect.
        return not isinstance(condition.transform, Deviation | QualityRank)
    return isinstance(condition, ExpressionCondition)


@pytest.mark.parametrize(("name", "expected"), CASES, ids=lambda one: str(one) if not one else None)
def test_each_scenario_raises_only_its_own_alarms(name: str | None, expected: dict[str, Severity]) -> None:
    model = alkmaar()
    bindings = RuleIndex(model)
    start = EVENING
    day = Day(CityTruth(1, read_city(default_city()), build_scenario(name, 1, start).events), start, {}, {})
    found: dict[str, Severity] = {}
    for bound in chain.from_iterable(bindings.rules_of(id).rules.values() for id in model.entities):
        if judged_by_value(bound):
            worst = day.worst(bound)
            if worst:
                found[bound.rule.id] = max(worst, found.get(bound.rule.id, worst))
    assert found == expected
