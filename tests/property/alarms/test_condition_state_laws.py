"""Laws of condition states: any order of arrival of the same points ends in the same state and alarm."""

from __future__ import annotations

from itertools import accumulate, cycle, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cities.alarm_city import LIVE_FOR, bound_rule, high_water_rule, point
from twin.alarms.alarm import Alarm, Explanation, StreamTime
from twin.alarms.evaluation.alarm_transitions import apply_change, episodes
from twin.alarms.evaluation.condition_state import REORDER_POINTS_MAX, ConditionState
from twin.alarms.evaluation.level_state import inert_range, severity_timeline
from twin.alarms.rules.operand import Operand, Point
from twin.alarms.rules.rule import Level, NOfM, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.alarms.severity import Severity
from twin.backtest.condition_history import AlarmHistory, stored_condition
from twin.instant import MINUTE, SECOND
from twin.quality.quality_flags import QualityFlag

RULES = [
    bound_rule(high_water_rule(on_delay=on, off_delay=off))
    for on, off in ((0, 0), (90 * SECOND, 0), (0, 150 * SECOND), (2 * MINUTE, 3 * MINUTE))
]

OFTEN = bound_rule(
    high_water_rule(
        condition=ThresholdCondition(
            operand=Operand("water_level"),
            direction="above",
            levels=(Level(Severity.MINOR, 0.10, 0.08),),
            relative_to="targetLevel",
            times=NOfM(2, 4),
        )
    )
)

points_of_a_day = st.lists(
    st.tuples(
        st.integers(0, 60).map(lambda half: half * MINUTE // 2),
        st.sampled_from([-0.5, -0.43, -0.41, -0.39, -0.31, -0.29]),
        st.sampled_from([0, 0, 0, 0, int(QualityFlag.SPIKE)]),
        st.sampled_from([LIVE_FOR, MINUTE]),
    ),
    max_size=REORDER_POINTS_MAX,
    unique_by=lambda one: one[0],
).map(lambda found: [point(*one) for one in sorted(found)])


def state_of(rule: BoundRule, points: list[Point], now: int = 0) -> ConditionState:
    state = ConditionState.initial(rule)
    for next_point in points:
        state.on_points(0, [next_point], rule, now)
    return state


@given(st.sampled_from(RULES), points_of_a_day, st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_in_the_same_state(
    rule: BoundRule, points: list[Point], dice: object
) -> None:
    shuffled = points.copy()
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert severity_timeline(state_of(rule, shuffled).changes) == severity_timeline(
        state_of(rule, points).changes
    )


@given(st.sampled_from(RULES), points_of_a_day, st.data())
def test_a_correction_ends_in_the_state_of_the_corrected_points(
    rule: BoundRule, points: list[Point], data: st.DataObject
) -> None:
    wrong = [one._replace(value=data.draw(st.sampled_from([-0.5, -0.3]))) for one in points]
    state = state_of(rule, wrong)
    for next_point in data.draw(st.permutations(points)):
        state.on_points(0, [next_point], rule, 0)
    assert severity_timeline(state.changes) == severity_timeline(state_of(rule, points).changes)


@given(st.sampled_from(RULES), points_of_a_day, st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=300)
def test_an_alarm_follows_its_condition_in_any_order_of_arrival(
    rule: BoundRule, points: list[Point], dice: object, in_order: bool
) -> None:
    arriving = points.copy()
    if not in_order:
        dice.shuffle(arriving)  # type: ignore[attr-defined]
    state, alarm = ConditionState.initial(rule), Alarm("high-water~canal", "high-water", "canal")
    for number, next_point in enumerate(arriving, 1):
        change = state.on_points(0, [next_point], rule, 0)
        if change is not None:
            apply_change(alarm, change, lambda _: Explanation(), StreamTime(number, number))
        assert alarm.active == bool(state.severity(rule))
        if alarm.active:
            assert int(alarm.severity) == state.severity(rule)
            assert alarm.raised_time == episodes(0, state.changes)[-1].start
    if in_order:
        assert alarm.occurrence == len(episodes(0, state.changes))


@given(st.sampled_from(RULES), points_of_a_day, st.lists(st.integers(0, 5), max_size=10))
def test_clock_ticks_between_points_do_not_change_the_final_state(
    rule: BoundRule, points: list[Point], waits: list[int]
) -> None:
    state, now = ConditionState.initial(rule), 0
    for number, next_point in enumerate(points):
        now += MINUTE
        state.on_points(0, [next_point], rule, now)
        if number < len(waits):
            now += waits[number] * MINUTE
            state.advance(rule, now)
    state.advance(rule, now + 60 * MINUTE)
    other = state_of(rule, points)
    other.advance(rule, 60 * MINUTE)
    assert severity_timeline(state.changes) == severity_timeline(other.changes)


@given(st.sampled_from(RULES), st.lists(points_of_a_day, min_size=1, max_size=6))
def test_settled_points_keep_their_effect(rule: BoundRule, days: list[list[Point]]) -> None:
    state, found = ConditionState.initial(rule), []
    later = 0
    for points in days:
        for next_point in points:
            moved = next_point._replace(
                time=next_point.time + later, valid_until=next_point.valid_until + later
            )
            change = state.on_points(0, [moved], rule, 0)
            if change is not None:
                found += severity_timeline(change.after[len(change.before) :])
        later += 31 * MINUTE
    assert found == sorted(found)
    assert all(one[1] != other[1] for one, other in pairwise(found))
    assert (found[-1][1] if found else 0) == state.severity(rule)


@given(st.sampled_from(RULES), points_of_a_day)
def test_values_in_the_inert_range_may_be_skipped(rule: BoundRule, points: list[Point]) -> None:
    state, passed = ConditionState.initial(rule), ConditionState.initial(rule)
    for next_point in points:
        state.on_points(0, [next_point], rule, 0)
        quiet = inert_range(rule.level_config, passed.current)
        if quiet is None or not quiet[0] < next_point.value < quiet[1]:
            passed.on_points(0, [next_point], rule, 0)
    assert severity_timeline(state.changes) == severity_timeline(passed.changes)


@given(
    st.sampled_from([*RULES, OFTEN]),
    st.lists(
        st.tuples(
            st.sampled_from([-0.5, -0.41, -0.39, -0.31, -0.29]),
            st.sampled_from([0, 0, 0, 0, int(QualityFlag.SPIKE)]),
            st.sampled_from([1, 1, 1, 2, 5]),
            st.integers(1, 20),
        ),
        min_size=10,
        max_size=20,
    ),
    st.lists(st.integers(8, 2 * REORDER_POINTS_MAX), min_size=1, max_size=4),
)
def test_points_that_are_settled_together_leave_the_state_of_points_settled_one_by_one(
    rule: BoundRule, runs: list[tuple[float, int, int, int]], sizes: list[int]
) -> None:
    found = [(value, flags, wait) for value, flags, wait, length in runs for _ in range(length)]
    times = accumulate(wait * MINUTE for _, _, wait in found)
    points = [point(time, value, flags) for time, (value, flags, _) in zip(times, found, strict=True)]
    together, rest = ConditionState.initial(rule), points
    for size in cycle(sizes):
        if not rest:
            break
        together.on_points(0, rest[:size], rule, 0)
        rest = rest[size:]
    assert together == state_of(rule, points)


CALM = [point(minute * MINUTE, -0.5) for minute in range(-12, 0)]
"""What came before, so that delays are known."""

NEWEST = point(31 * MINUTE, -0.5)


def stored_state(rule: BoundRule, points: list[Point]) -> ConditionState:
    reached = stored_condition(rule, {rule.series[0]: [*CALM, *points, NEWEST]}, AlarmHistory.of(()), None, 0)
    assert reached is not None
    return reached[0]


@given(st.sampled_from(RULES), points_of_a_day.map(lambda found: found[:16]), st.data())
@settings(max_examples=300)
def test_a_state_from_storage_follows_repairs_there_except_where_the_log_knows_better(
    rule: BoundRule, points: list[Point], data: st.DataObject
) -> None:
    """At first storage has wrong values or none. Of each the log or a repair brings the true one, or both."""
    wrong = [one._replace(value=data.draw(st.sampled_from([-0.5, -0.3]))) for one in points]
    is_stored = [data.draw(st.booleans()) for _ in points]
    known_by = [data.draw(st.sampled_from(["storage", "log", "both"])) for _ in points]
    before = [one for one, known in zip(wrong, is_stored, strict=True) if known]
    state = ConditionState.initial(rule).corrected(stored_state(rule, before), rule)
    for one, source in zip(points, known_by, strict=True):
        if source != "storage":
            state.on_points(0, [one], rule, 0)
    after = [
        (stale if source == "log" else true)
        for true, stale, source in zip(points, wrong, known_by, strict=True)
    ]
    found = state.corrected(stored_state(rule, after), rule)
    true = stored_state(rule, points)
    assert [one[:2] for one in found.buffered] == [one[:2] for one in true.buffered]
    assert severity_timeline(found.changes) == severity_timeline(true.changes)
