"""The health of the alarm system: rates, floods, chattering and fleeting alarms, bad actors."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.alarms.severity import Severity
from twin.alarms.statistics import FLOOD_BEGINS, PERIOD, AlarmCount, Transition, statistics
from twin.instant import HOUR, MINUTE, SECOND, Instant

START: Instant = 1_795_435_200_000_000
END = START + 2 * HOUR


def transition(
    after: int,
    alarm: str = "a~e",
    kind: str = "raised",
    occurrence: int = 1,
    severity: Severity = Severity.MINOR,
) -> Transition:
    time = START + after
    return Transition(alarm, alarm.partition("~")[0], kind, time, time, severity, occurrence)


def burst(count: int, begin: int, apart: int) -> list[Transition]:
    return [transition(begin + n * apart, f"a{n}~e") for n in range(count)]


def test_without_alarms_all_counts_are_0() -> None:
    found = statistics([], START, END)
    assert (found.annunciated, found.average, found.peak, found.floods) == (0, 0.0, 0, ())
    assert found.acknowledge_p50 is None


@pytest.mark.parametrize(("operators", "average", "peak"), [(1, 1.0, 3), (3, 1 / 3, 1)])
def test_rates_are_those_of_one_operator_in_ten_minutes(operators: int, average: float, peak: float) -> None:
    found = statistics([*burst(3, 0, MINUTE), *burst(9, HOUR, 6 * MINUTE)], START, END, operators)
    assert found.annunciated == 12
    assert (found.average, found.peak) == (average, peak)
    assert found.peak_time == START


def test_a_flood_begins_with_ten_in_ten_minutes_and_ends_when_fewer_than_five_are_left() -> None:
    # Ten within 9 s, then one each two minutes: five in any ten minutes, the flood goes on; then silence.
    events = [*burst(10, 0, SECOND), *(transition(n * 2 * MINUTE, f"b{n}~e") for n in range(1, 11))]
    (flood,) = statistics(events, START, END).floods
    assert (flood.start, flood.count, flood.peak) == (START, 20, 14)
    # The fifth youngest came at 12 min: ten minutes later fewer than five are left.
    assert flood.end == START + 22 * MINUTE


def test_nine_in_ten_minutes_are_no_flood_and_two_operators_need_twenty() -> None:
    assert statistics(burst(9, 0, SECOND), START, END).floods == ()
    assert statistics(burst(19, 0, SECOND), START, END, 2).floods == ()
    assert len(statistics(burst(20, 0, SECOND), START, END, 2).floods) == 1


def test_two_floods_are_separate() -> None:
    found = statistics([*burst(12, 0, SECOND), *burst(11, HOUR, SECOND)], START, END)
    assert [one.count for one in found.floods] == [12, 11]
    assert found.flooded_share == pytest.approx((2 * 10 * MINUTE + 13 * SECOND) / (2 * HOUR), rel=0.01)


def test_three_times_in_a_minute_is_chattering_and_less_than_a_minute_is_fleeting() -> None:
    events = []
    for n in range(3):
        events += [
            transition(n * 20 * SECOND, occurrence=n),
            transition(n * 20 * SECOND + SECOND, "a~e", "returned", n),
        ]
    for n in range(3):
        begin = HOUR + n * 40 * SECOND
        events += [
            transition(begin, "b~e", occurrence=n),
            transition(begin + 2 * MINUTE, "b~e", "returned", n),
        ]
    found = statistics(sorted(events, key=lambda one: one.told_time), START, END)
    assert [(one.alarm, one.count) for one in found.chattering] == [("a~e", 3)]
    assert [(one.alarm, one.count) for one in found.fleeting] == [("a~e", 3)]


def test_the_ten_worst_actors_have_their_share() -> None:
    events = [transition(n * MINUTE, f"r{k:02}~e") for k in range(12) for n in range(k + 1)]
    events.sort(key=lambda one: one.told_time)
    found = statistics(events, START, END)
    assert len(found.bad_actors) == 10
    assert found.bad_actors[0] == AlarmCount("r11~e", "r11", 12, 12 / len(events))
    assert found.by_severity == {
        Severity.WARNING: 0,
        Severity.MINOR: len(events),
        Severity.MAJOR: 0,
        Severity.CRITICAL: 0,
    }


def test_the_wait_for_an_acknowledgement_starts_at_the_publication() -> None:
    events = [transition(n * MINUTE, f"a{n}~e") for n in range(20)]
    events += [transition(n * MINUTE + (n + 1) * SECOND, f"a{n}~e", "acknowledged") for n in range(20)]
    found = statistics(sorted(events, key=lambda one: one.told_time), START, END)
    assert (found.acknowledged, found.acknowledge_p50, found.acknowledge_p95) == (
        20,
        10 * SECOND,
        19 * SECOND,
    )


@given(st.lists(st.integers(0, 2 * HOUR // SECOND - 1), max_size=120), st.integers(1, 3))
def test_floods_lie_apart_and_every_ten_minutes_with_that_many_lie_in_one(
    seconds: list[int], operators: int
) -> None:
    events = [transition(second * SECOND, f"a{n}~e") for n, second in enumerate(sorted(seconds))]
    found = statistics(events, START, END, operators)
    for flood, following in pairwise(found.floods):
        assert flood.end <= following.start
    times = [one.told_time for one in events]
    for last, time in enumerate(times):
        within = [one for one in times[: last + 1] if one > time - PERIOD]
        if len(within) >= FLOOD_BEGINS * operators:
            assert any(one.start <= time < one.end for one in found.floods)
    assert all(one.count >= FLOOD_BEGINS * operators <= one.peak * operators for one in found.floods)
