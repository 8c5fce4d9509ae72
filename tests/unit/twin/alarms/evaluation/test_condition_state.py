"""Condition states: levels, delays, gaps, n of m, rates, quality, schedules and baselines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cities.alarm_city import bound_rule, high_water_rule, point
from twin.alarms.evaluation.condition_state import ConditionState
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Deviation,
    ExpressionCondition,
    Level,
    NOfM,
    QualityRank,
    Rate,
    ThresholdCondition,
)
from twin.alarms.rules.rule_index import BoundRule
from twin.alarms.rules.schedule import WeeklyInterval, WeeklySchedule
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant
from twin.quality.quality_flags import QualityFlag

MINOR, MAJOR = int(Severity.MINOR), int(Severity.MAJOR)
MONDAY = 1_767_567_600_000_000  # 5 January 2026, 00:00 in Alkmaar


def run(rule: BoundRule, values: list[float], start: Instant = 0) -> list[tuple[float, int]]:
    """Return the (minute, severity) changes for values a minute apart."""
    state = ConditionState.initial(rule)
    changes: list[Any] = []
    for number, value in enumerate(values):
        time = start + number * MINUTE
        change = state.on_points(0, [point(time, value)], rule, time)
        if change is not None:
            changes += change.after[len(change.before) :]
    return [((one.time - start) / MINUTE, one.severity) for one in changes]


def test_each_severity_has_its_own_threshold_and_clear_value() -> None:
    levels = [-0.5, -0.41, -0.40, -0.41, -0.29, -0.31, -0.33, -0.41, -0.43]
    assert run(bound_rule(high_water_rule()), levels) == [(2, MINOR), (4, MAJOR), (6, MINOR), (8, 0)]


def test_a_value_between_clear_and_raised_does_not_chatter() -> None:
    assert run(bound_rule(high_water_rule()), [-0.395, -0.405] * 10) == [(0, MINOR)]


def test_a_level_is_raised_when_it_was_passed_throughout_the_delay() -> None:
    rule = bound_rule(high_water_rule(on_delay=5 * MINUTE))
    assert run(rule, [-0.3] * 4 + [-0.5] + [-0.3] * 10) == [(10, MAJOR)]


def test_a_delay_may_end_between_two_values() -> None:
    rule = bound_rule(high_water_rule(on_delay=90 * SECOND))
    assert run(rule, [-0.39, -0.39, -0.39]) == [(1.5, MINOR)]


def test_a_level_returns_when_it_was_clear_throughout_the_delay() -> None:
    rule = bound_rule(high_water_rule(off_delay=3 * MINUTE))
    assert run(rule, [-0.39, -0.5, -0.5, -0.39, -0.5, -0.5, -0.5, -0.5]) == [(0, MINOR), (7, 0)]


def test_a_gap_interrupts_a_delay_and_clears_nothing() -> None:
    rule = bound_rule(high_water_rule(on_delay=5 * MINUTE))
    state = ConditionState.initial(rule)
    for minutes in (0, 1, 10, 11, 12):  # nothing holds for nine minutes
        assert state.on_points(0, [point(minutes * MINUTE, -0.3)], rule, minutes * MINUTE) is None
    assert state.advance(rule, 14 * MINUTE) is None
    change = state.advance(rule, 15 * MINUTE)
    assert change is not None
    assert [(one.time, one.severity) for one in change.after] == [(15 * MINUTE, MAJOR)]
    assert state.advance(rule, 10 * HOUR) is None
    assert state.severity(rule) == MAJOR


def test_the_clock_advances_a_state_by_the_elapsed_time_only() -> None:
    rule = bound_rule(high_water_rule(on_delay=2 * MINUTE))
    state, now = ConditionState.initial(rule), 365 * DAY  # a recording of last year
    state.on_points(0, [point(0, -0.3)], rule, now)
    assert state.due(rule) == now + 2 * MINUTE
    assert state.advance(rule, now + MINUTE) is None
    change = state.advance(rule, now + 2 * MINUTE)
    assert change is not None
    assert change.after[0].time == 2 * MINUTE


def test_suspect_values_neither_raise_nor_clear() -> None:
    rule = bound_rule(high_water_rule())
    state = ConditionState.initial(rule)
    assert state.on_points(0, [point(0, 9.0, QualityFlag.SPIKE)], rule, 0) is None
    assert state.on_points(0, [point(MINUTE, -0.3)], rule, 0) is not None
    assert state.on_points(0, [point(2 * MINUTE, -9.0, QualityFlag.STUCK)], rule, 0) is None
    assert state.severity(rule) == MAJOR


def test_a_rule_may_use_values_of_any_quality() -> None:
    rule = bound_rule(high_water_rule(quality="any"))
    assert ConditionState.initial(rule).on_points(0, [point(0, 9.0, QualityFlag.SPIKE)], rule, 0) is not None


def threshold(**changes: Any) -> ThresholdCondition:
    known = {
        "operand": Operand("water_level"),
        "direction": "above",
        "levels": (Level(Severity.MINOR, 1.0, 0.9),),
    }
    return ThresholdCondition(**{**known, **changes})


def test_below_is_the_mirror_of_above() -> None:
    condition = threshold(direction="below", levels=(Level(Severity.MINOR, -1.0, -0.9),))
    rule = bound_rule(high_water_rule(condition=condition))
    assert run(rule, [0, -0.95, -1.0, -0.95, -0.9]) == [(2, MINOR), (4, 0)]


def test_n_of_m_values_must_be_beyond() -> None:
    rule = bound_rule(high_water_rule(condition=threshold(times=NOfM(3, 5))))
    assert run(rule, [2, 0, 2, 0, 2, 0, 0, 0, 0]) == [(4, MINOR), (5, 0)]
    assert run(rule, [2, 0, 0, 2, 0, 0, 2, 0, 0]) == []


def test_a_gap_begins_the_count_of_n_of_m_anew() -> None:
    rule = bound_rule(high_water_rule(condition=threshold(times=NOfM(2, 4))))
    state = ConditionState.initial(rule)
    for minutes, value in ((0, 2.0), (1, 0.0), (60, 2.0), (61, 0.0), (62, 0.0)):
        assert state.on_points(0, [point(minutes * MINUTE, value)], rule, minutes * MINUTE) is None
    change = state.on_points(0, [point(63 * MINUTE, 2.0)], rule, 63 * MINUTE)
    assert change is not None
    assert [(one.time, one.severity) for one in change.after] == [(63 * MINUTE, MINOR)]


def test_a_rate_is_the_median_slope_over_its_span() -> None:
    rate = threshold(transform=Rate(HOUR, 10 * MINUTE), levels=(Level(Severity.MINOR, 0.5, 0.3),))
    rule = bound_rule(high_water_rule(condition=rate))
    rising = [0.01 * number for number in range(12)]  # 0.6 m/h
    found = run(rule, [0.0] * 10 + rising + [0.11] * 15)
    assert [severity for _, severity in found] == [MINOR, 0]
    assert run(rule, [0.0] * 10 + [9.0] + [0.0] * 10) == [], "one wild value is no slope"


def test_a_rule_may_compare_the_quality() -> None:
    worth = threshold(transform=QualityRank(), levels=(Level(Severity.WARNING, 3.0, 2.0),))
    rule = bound_rule(high_water_rule(condition=worth, on_delay=2 * MINUTE))
    state = ConditionState.initial(rule)
    for minutes in range(3):
        state.on_points(0, [point(minutes * MINUTE, 0.0, QualityFlag.STUCK)], rule, minutes * MINUTE)
    assert state.severity(rule) == Severity.WARNING


def test_a_rule_counts_in_its_hours_and_while_it_is_in_force() -> None:
    working = WeeklySchedule((WeeklyInterval((0, 1, 2, 3, 4), 8 * 60, 8 * 60 + 10),))
    rule = bound_rule(high_water_rule(schedule=working))
    assert run(rule, [-0.3] * 30, MONDAY + 8 * HOUR - 10 * MINUTE) == [(10, MAJOR), (20, 0)]
    dated = bound_rule(high_water_rule(start=MONDAY + 5 * MINUTE, end=MONDAY + 9 * MINUTE))
    assert run(dated, [-0.3] * 15, MONDAY) == [(5, MAJOR), (9, 0)]


def test_the_baseline_of_an_hour_is_learned_from_the_weeks_before() -> None:
    condition = threshold(transform=Deviation("absolute"), levels=(Level(Severity.MINOR, 0.5, 0.4),))
    rule = bound_rule(high_water_rule(condition=condition))
    state = ConditionState.initial(rule)
    changes: list[Any] = []
    for hour in range(5 * 7 * 24):
        time = MONDAY + hour * HOUR
        rush = 1.0 if hour % 24 == 8 else 0.0
        odd = 1.0 if hour == 4 * 7 * 24 + 15 else 0.0  # Monday afternoon of the fifth week
        change = state.on_points(0, [point(time, rush + odd, live=2 * HOUR)], rule, time)
        if change is not None:
            changes += change.after[len(change.before) :]
    assert [(one.time - MONDAY) // HOUR for one in changes] == [4 * 7 * 24 + 15, 4 * 7 * 24 + 16]


def test_an_expression_needs_valid_values_of_all_its_operands() -> None:
    operands = (Operand("water_level", whose="drainsTo"), Operand("water_level"))
    source = "water_level > -1.9 && drainsTo.water_level > -0.4"
    rule = bound_rule(
        high_water_rule(
            condition=ExpressionCondition(source=source, operands=operands, severity=Severity.MAJOR)
        ),
        "polder",
    )
    assert [one.entity for one in rule.series] == ["canal", "polder"]
    state = ConditionState.initial(rule)
    assert state.on_points(1, [point(0, -1.0)], rule, 0) is None
    assert state.on_points(0, [point(10 * MINUTE, -0.3)], rule, 0) is None, (
        "the polder has said nothing for long"
    )
    assert state.on_points(1, [point(11 * MINUTE, -1.0)], rule, 0) is not None
    assert state.severity(rule) == MAJOR
    assert state.on_points(0, [point(12 * MINUTE, -0.5)], rule, 0) is not None
    assert state.severity(rule) == 0


def test_a_failing_expression_has_an_error_and_changes_nothing() -> None:
    operands = (Operand("water_level"),)
    source = "1.0 / water_level > 2.0"
    rule = bound_rule(
        high_water_rule(
            condition=ExpressionCondition(source=source, operands=operands, severity=Severity.MAJOR)
        )
    )
    state = ConditionState.initial(rule)
    assert state.on_points(0, [point(0, 0.0)], rule, 0) is None
    assert "division by zero" in state.error
    assert state.on_points(0, [point(MINUTE, 0.1)], rule, 0) is not None
    assert state.error == ""


def test_a_missing_attribute_is_a_fault_of_the_bound_rule() -> None:
    rule = bound_rule(high_water_rule(condition=threshold(relative_to="capacity")))
    assert rule.fault == "attribute capacity of canal is None, expected a number"


@pytest.mark.parametrize("count", [1, 40, 200])
def test_a_changed_rule_reevaluates_the_buffered_points(count: int) -> None:
    rule = bound_rule(high_water_rule())
    state = ConditionState.initial(rule)
    for number in range(count):
        state.on_points(0, [point(number * MINUTE, -0.45)], rule, number * MINUTE)
    stricter = bound_rule(
        high_water_rule(
            version=2,
            condition=threshold(relative_to="targetLevel", levels=(Level(Severity.MINOR, 0.05, 0.0),)),
        )
    )
    assert state.reevaluated(stricter).severity(stricter) == MINOR


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["above", "below"])
def test_a_value_equal_to_the_level_does_not_end_what_it_raised(sign: float) -> None:
    condition = threshold(
        direction="above" if sign > 0 else "below",
        levels=(Level(Severity.MINOR, sign * 10.0, sign * 10.0),),
        relative_to="",
    )
    values = [sign * value for value in (9.0, 10.0, 10.0, 10.0, 9.9)]
    assert run(bound_rule(high_water_rule(condition=condition)), values) == [(1, MINOR), (4, 0)]
