"""Laws of replays: the result is that of the live state, however history is cut and whatever is skipped."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cities.alarm_city import INTERVAL, LIVE_FOR, alarm_city, bound_rule, high_water_rule, point
from twin.alarms.evaluation.alarm_transitions import episodes
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_state import REORDER_POINTS_MAX, ConditionChange, ConditionState
from twin.alarms.evaluation.level_state import SeverityChange
from twin.alarms.rules.expression import CompiledExpression
from twin.alarms.rules.operand import Operand, Point
from twin.alarms.rules.rule import (
    Deviation,
    EntitySelection,
    ExpressionCondition,
    Level,
    NOfM,
    QualityRank,
    Rate,
    Rule,
    ThresholdCondition,
)
from twin.alarms.rules.rule_index import BoundRule
from twin.alarms.rules.schedule import WeeklyInterval, WeeklySchedule
from twin.alarms.severity import Severity
from twin.backtest.condition_replay import ConditionReplay
from twin.backtest.point_column import PointColumn
from twin.instant import DAY, HOUR, INSTANT_MAX, MINUTE, Instant
from twin.quality.quality_flags import QualityFlag

MODEL = alarm_city()
START: Instant = 1_767_571_200_000_000  # Monday 5 January 2026, 00:00 UTC


def over(*levels: Level, **changes: object) -> ThresholdCondition:
    known: dict[str, object] = {
        "operand": Operand("water_level"),
        "direction": "above",
        "levels": levels,
        "relative_to": "targetLevel",
    }
    return ThresholdCondition(**{**known, **changes})  # type: ignore[arg-type]


LEVELS = (Level(Severity.MINOR, 0.1, 0.08), Level(Severity.MAJOR, 0.2, 0.05))
RULES: dict[str, Rule] = {
    "plain": high_water_rule(),
    "delayed": high_water_rule(on_delay=2 * MINUTE, off_delay=3 * MINUTE),
    "low": high_water_rule(condition=over(Level(Severity.MINOR, 0.05, 0.1), direction="below")),
    "often": high_water_rule(condition=over(*LEVELS, times=NOfM(2, 4)), off_delay=MINUTE),
    "any": high_water_rule(quality="any"),
    "poor": high_water_rule(
        condition=over(Level(Severity.MINOR, 1, 0), relative_to="", transform=QualityRank())
    ),
    "rate": high_water_rule(
        condition=over(Level(Severity.MINOR, 0.3, 0.1), relative_to="", transform=Rate(HOUR, 10 * MINUTE))
    ),
    "sometimes": high_water_rule(schedule=WeeklySchedule((WeeklyInterval((0,), 70, 90),))),
    "until": high_water_rule(end=START + 40 * MINUTE),
    "twice, at times": high_water_rule(
        condition=over(*LEVELS, times=NOfM(2, 3)), schedule=WeeklySchedule((WeeklyInterval((0,), 75, 120),))
    ),
    "falling": high_water_rule(
        condition=over(
            Level(Severity.MINOR, -0.2, 0.0),
            Level(Severity.MAJOR, -1.5, -0.5),
            relative_to="",
            direction="below",
            transform=Rate(HOUR, 15 * MINUTE),
        ),
        off_delay=2 * MINUTE,
        schedule=WeeklySchedule((WeeklyInterval(tuple(range(7)), 6 * 60, 18 * 60),)),
    ),
}


def expression(source: str, **changes: object) -> Rule:
    condition = ExpressionCondition(
        source=source, operands=CompiledExpression(source).operands, severity=Severity.MINOR
    )
    return high_water_rule(condition=condition, select=EntitySelection(types=("Polder",)), **changes)


BOTH = "water_level > -0.42 && drainsTo.water_level > -0.42"
EXPRESSIONS = {
    "one": expression("water_level * 2.0 > -0.82", on_delay=2 * MINUTE),
    "both": expression(BOTH, off_delay=3 * MINUTE),
    "any": expression(BOTH, quality="any"),
    "failing": expression("1.0 / (water_level + 0.43) > 25.0 || drainsTo.water_level > -0.3"),
    "sometimes": expression(BOTH, schedule=WeeklySchedule((WeeklyInterval((0,), 70, 900),)), on_delay=MINUTE),
    "never": expression("1.0 / (water_level - water_level) > 1.0"),
}

histories = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 7]),
        st.sampled_from([-0.5, -0.5, -0.43, -0.41, -0.39, -0.31, -0.29]),
        st.sampled_from([0, 0, 0, int(QualityFlag.SPIKE), int(QualityFlag.ESTIMATED)]),
        st.sampled_from([LIVE_FOR, MINUTE]),
    ),
    max_size=80,
)


def points_of(history: list[tuple[int, float, int, int]]) -> list[Point]:
    found: list[Point] = []
    time = START
    for minutes, value, flags, live in history:
        time += minutes * MINUTE
        found.append(point(time, value, flags, live))
    return found


def walk(seed: int, minutes: int, step: int = 1) -> list[Point]:
    """Return the points of a gauge with a resolution: a daily pattern, gaps, bad values, short validity."""
    dice = random.Random(seed)
    found: list[Point] = []
    away, time = 0.0, START
    while time < START + minutes * MINUTE:
        away = 0.95 * away + dice.gauss(0, 0.03)
        value = round(-0.45 + 0.05 * math.sin(time / DAY * 2 * math.pi) + away, 2)
        flags = dice.choices((0, int(QualityFlag.ESTIMATED), int(QualityFlag.SPIKE)), (90, 5, 5))[0]
        found.append(point(time, value, flags, dice.choice((LIVE_FOR, LIVE_FOR, MINUTE)) * step))
        time += dice.choices((1, 2, 7, 45), (90, 5, 4, 1))[0] * step * MINUTE
    return found


def by_live_state(rule: BoundRule, points: list[Point], end: Instant) -> list[tuple[Instant, Instant]]:
    """Return the time spans in which the condition held, by the evaluator of the live log."""
    state = ConditionState.initial(rule)
    changes: list[SeverityChange] = []
    for next_point in points:
        change = state.on_points(0, [next_point], rule, next_point.time)
        if change is not None:
            changes += change.after[len(change.before) :]
    change = state.advance(rule, end)
    if change is not None:
        changes += change.after[len(change.before) :]
    return [(one.start, one.end) for one in episodes(0, changes)]


def by_replay(
    rule: BoundRule, points: list[Point], end: Instant, cuts: list[int], *, prefiltered: bool = True
) -> list[tuple[Instant, Instant]]:
    replay = ConditionReplay.initial(rule, MODEL, prefiltered=prefiltered)
    for start, stop in pairwise([0, *sorted(cuts), len(points)]):
        replay.on_columns([PointColumn.from_points(points[start:stop])])
    replay.end(end)
    return [(one.raised, one.returned or INSTANT_MAX) for one in replay.firings()]


@pytest.mark.parametrize("name", RULES)
@given(history=histories, data=st.data())
@settings(max_examples=60)
def test_a_replay_agrees_with_the_live_state_of_the_same_points(
    name: str, history: list[tuple[int, float, int, int]], data: st.DataObject
) -> None:
    points = points_of(history)
    cuts = data.draw(st.lists(st.integers(0, len(points)), max_size=3))
    end = (points[-1].time if points else START) + HOUR
    rule = bound_rule(RULES[name])
    assert by_replay(rule, points, end, cuts) == by_live_state(rule, points, end)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_replays_over_a_long_time_agree_with_the_live_state(name: str, seed: int) -> None:
    points = walk(seed, 2 * 1440)
    end = points[-1].time + HOUR
    rule = bound_rule(RULES[name])
    found = by_replay(rule, points, end, [7, 300, 301, 1500])
    assert found or RULES[name].end < end or RULES[name].schedule is not None
    assert found == by_live_state(rule, points, end)
    assert found == by_replay(rule, points, end, [1000], prefiltered=False)


@pytest.mark.parametrize("measure", ["absolute", "percent", "spread"])
@pytest.mark.parametrize("seed", range(2))
def test_deviations_agree_with_the_live_state_whatever_is_skipped(
    seed: int, measure: Literal["absolute", "percent", "spread"]
) -> None:
    raised = {"absolute": 0.1, "percent": 25.0, "spread": 3.0}[measure]
    rule = bound_rule(
        high_water_rule(
            condition=over(
                Level(Severity.MINOR, raised, raised / 2), relative_to="", transform=Deviation(measure)
            ),
            on_delay=30 * MINUTE,
        )
    )
    # Over the end of summer time: of one hour of the week there are two in that week.
    points = [
        original._replace(time=original.time + 266 * DAY, valid_until=original.valid_until + 266 * DAY)
        for original in walk(seed, 42 * 1440, 20)
    ]
    end = points[-1].time + HOUR
    found = by_replay(rule, points, end, [10, 25, 700, 1500, 1501])
    assert found
    assert found == by_live_state(rule, points, end)
    assert found == by_replay(rule, points, end, [], prefiltered=False)


def test_an_hour_is_learned_when_all_its_points_are_settled() -> None:
    rule = bound_rule(
        high_water_rule(
            condition=over(Level(Severity.MINOR, 0.15, 0.12), relative_to="", transform=Deviation("absolute"))
        )
    )
    # Summer time ends: the hour from 2 comes twice, and of the second is usual what was in the first.
    first: Instant = 1_792_886_400_000_000  # Sunday 25 October 2026, 00:00 UTC
    usual = Baseline()
    for week, mean in ((3, -0.5), (2, -0.5), (1, -0.3)):
        usual.restore_hour((first - week * 7 * DAY) // HOUR, mean, "Europe/Amsterdam")
    points = [point(first + minute * MINUTE, -0.3) for minute in range(3 * 60)]
    end = first + 3 * HOUR
    replay = ConditionReplay.initial(rule, MODEL)
    replay.condition_state.baseline = usual.copy()
    replay.on_columns([PointColumn.from_points(points)])
    replay.end(end)
    # 32 points may still change when the first of the second hour comes.
    over_at = first + (60 + REORDER_POINTS_MAX + 1) * MINUTE
    assert [(one.raised, one.returned) for one in replay.firings()] == [(first, over_at)]
    state = ConditionState.initial(rule)
    state.baseline = usual
    changes: list[SeverityChange] = []
    for next_point in points:
        _extend(changes, state.on_points(0, [next_point], rule, next_point.time))
    assert [(one.start, one.end) for one in episodes(0, changes)] == [(first, over_at)]


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("seed", range(3))
def test_expressions_agree_with_the_live_state_of_the_same_points(name: str, seed: int) -> None:
    rule = bound_rule(EXPRESSIONS[name], "polder")
    operands = [walk(10 * seed + number, 1440, 1 + 4 * number) for number in range(len(rule.series))]
    # One falls silent for hours; the values of the other do not count then.
    operands[-1] = [one for one in operands[-1] if not 300 <= (one.time - START) // MINUTE < 420]
    end = START + 26 * HOUR
    found: list[tuple[list[tuple[Instant, Instant]], str]] = []
    for prefiltered, cuts in ((True, [*range(7, 1440, 41)]), (True, []), (False, [500])):
        replay = ConditionReplay.initial(rule, MODEL, prefiltered=prefiltered)
        for start, stop in pairwise([0, *cuts, 1440]):
            inside = range(START + start * MINUTE, START + stop * MINUTE)
            replay.on_columns(
                [PointColumn.from_points([one for one in each if one.time in inside]) for each in operands]
            )
        replay.end(end)
        found.append(([(one.raised, one.returned or INSTANT_MAX) for one in replay.firings()], replay.error))
    assert found[0] == found[1] == found[2]
    assert bool(found[0][0]) == (name != "never")
    assert bool(found[0][1]) == (name in ("failing", "never"))
    state = ConditionState.initial(rule)
    changes: list[SeverityChange] = []
    together = sorted((one.time, number, one) for number, each in enumerate(operands) for one in each)
    for time, number, next_point in together:
        _extend(changes, state.on_points(number, [next_point], rule, time))
    _extend(changes, state.advance(rule, end))
    assert found[0][0] == [(one.start, one.end) for one in episodes(0, changes)]


def _extend(changes: list[SeverityChange], change: ConditionChange | None) -> None:
    if change is not None:
        del changes[len(changes) - len(change.before) :]
        changes += change.after


def test_baselines_are_learned_as_on_the_live_log() -> None:
    rule = bound_rule(
        high_water_rule(
            condition=over(Level(Severity.MINOR, 0.15, 0.1), relative_to="", transform=Deviation("absolute"))
        )
    )
    dice = random.Random(3)
    points = [
        point(START + hour * HOUR, -0.5 + 0.1 * (hour % 24 > 12) + dice.gauss(0, 0.05), 0, 3 * HOUR)
        for hour in range(6 * 7 * 24)
    ]
    end = START + 43 * DAY
    found = by_replay(rule, points, end, [100, 700])
    assert found
    assert found == by_live_state(rule, points, end)


def test_a_replay_creates_few_points_if_little_happens() -> None:
    made: list[int] = []
    points = [point(START + minute * MINUTE, -0.5 + (minute == 700)) for minute in range(1440)]
    column = PointColumn.from_points(points)

    def count(place: int) -> Point:
        made.append(place)
        return points[place]

    replay = ConditionReplay.initial(bound_rule(high_water_rule()), MODEL)
    replay.on_columns([replace(column, point=count)])
    assert made == [700, 701]
    assert [one.peak for one in replay.firings()] == [0.5]


def test_the_peak_of_a_firing_is_found_across_chunks() -> None:
    values = [-0.5, -0.38, -0.35, -0.31, -0.36, -0.5, -0.39, -0.5]
    points = [point(START + place * INTERVAL, value) for place, value in enumerate(values)]
    for cut in range(len(points) + 1):
        replay = ConditionReplay.initial(bound_rule(high_water_rule()), MODEL)
        replay.on_columns([PointColumn.from_points(points[:cut])])
        replay.on_columns([PointColumn.from_points(points[cut:])])
        assert [one.peak for one in replay.firings()] == [-0.31, -0.39]
