"""A run of equal values is stuck from its beginning, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin.instant import DAY, HOUR, MINUTE
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import LastGoodValue, Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import STUCK_FOUND_LATER, QualityFlag
from twin.quality.quality_rules import QualityRules, StuckRule
from twin.state.datastream_state import DatastreamState

STUCK = int(QualityFlag.STUCK)
RULES = QualityRules(stuck=StuckRule(count=24, duration_min=DAY))
POLICY = DatastreamPolicy.of(replace(BUILT_IN_PROPERTIES["co2"], quality=RULES), HOUR)


def hours(start: int, stop: int, value: float) -> list[Observation]:
    return [Observation(1, hour * HOUR, hour * HOUR, value) for hour in range(start, stop)]


def played(arrivals: list[Observation]) -> tuple[DatastreamState, dict[int, int], list[int]]:
    """Return the state, the flags by hour, and the hours from which on folded values changed."""
    state, flags, since = DatastreamState(), {}, []
    for one in arrivals:
        result = state.observe(one, POLICY, MINUTE)
        flags.update({found.phenomenon_time // HOUR: found.flags for found in result.quality_results})
        if result.changed_since is not None:
            since.append(result.changed_since // HOUR)
    return state, {hour: flag for hour, flag in flags.items() if flag}, since


def test_the_beginning_of_a_stuck_run_is_found_later() -> None:
    state, flags, since = played([*hours(0, 5, 400.0), *hours(5, 40, 410.0)])
    assert flags == {
        **dict.fromkeys(range(5, 29), STUCK_FOUND_LATER),
        **dict.fromkeys(range(29, 40), STUCK),
    }
    assert state.last_good == LastGoodValue(400.0, 4 * HOUR)
    assert since == []


def test_windows_of_a_stuck_run_are_emitted_again() -> None:
    state = DatastreamState()
    counts = {}
    for one in hours(0, 40, 410.0):
        state.observe(one, POLICY, MINUTE)
        for window, content, _ in state.emit_windows(one.received_time, POLICY):
            counts[window.start // HOUR] = (content.count, content.suspect)
    assert set(counts.values()) == {(0, 1)}


def test_a_late_value_breaks_a_run_on_both_sides() -> None:
    _, flags, _ = played([*hours(5, 17, 410.0), *hours(18, 40, 410.0), *hours(17, 18, 411.0)])
    assert flags == {}


def test_a_late_value_joins_a_run() -> None:
    before = [*hours(5, 17, 410.0), Observation(1, 17 * HOUR, 17 * HOUR, 411.0), *hours(18, 40, 410.0)]
    _, flags, _ = played([*before, Observation(1, 17 * HOUR, 18 * HOUR, 410.0)])
    assert {hour for hour, flag in flags.items() if flag & STUCK} == set(range(5, 40))


def test_a_run_that_began_before_memory_asks_for_one_repair() -> None:
    short = replace(RULES, stuck=StuckRule(count=100, duration_min=DAY))
    policy = replace(POLICY, rules=short)
    state, since = DatastreamState(), []
    for one in hours(0, 150, 410.0):
        result = state.observe(one, policy, MINUTE)
        if result.changed_since is not None:
            since.append(result.changed_since)
    assert since == [0]
    assert state.last_good is None


@pytest.mark.parametrize(
    ("middle", "is_stuck"), [(60, True), (75, True), (94, True), (95, False), (100, False)]
)
def test_a_late_value_re_judges_the_run_that_it_breaks(middle: int, is_stuck: bool) -> None:
    arrivals = hours(0, 120, 410.0)
    late = arrivals.pop(middle)._replace(value=420.0, received_time=121 * HOUR)
    state, _, _ = played([*arrivals, late])
    assert bool(state.newest.flags & STUCK) is is_stuck
