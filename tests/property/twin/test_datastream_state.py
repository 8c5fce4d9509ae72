"""The laws of a datastream's state: flags and windows are a function of the set of observations."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from twin.instant import HOUR, MINUTE, SECOND
from twin.model.datastream_policy import WINDOW_SIZES, DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.state.datastream_state import LATE_MAX, DatastreamSnapshot, DatastreamState, ObservationOutcome
from twin.state.open_windows import WindowKey
from twin.state.window import WindowAccumulator, aggregate_of, window_start

FUTURE_MAX = 5 * MINUTE
INTERVAL = MINUTE
PROPERTIES = ("water_level", "energy_import", "vehicle_count", "wind_direction")
AFTER_THE_END = 10**15


def policy_of(name: str) -> DatastreamPolicy:
    return DatastreamPolicy.of(BUILT_IN_PROPERTIES[name], INTERVAL)


@st.composite
def series(draw: Any) -> list[Observation]:
    """Return observations with distinct times, gaps, outliers and repetitions, ascending."""
    dice = Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 150))
    time, found = 0, []
    for _ in range(count):
        time += dice.choice((20, 60, 60, 60, 61, 600, 4000)) * SECOND
        value = dice.choice((1.0, 1.0, 1.01, 1.02, 2.5, 40.0))
        found.append(Observation(1, time, time + dice.choice((1, 5)) * SECOND, value))
    return found


def disturbed(arrivals: list[Observation], dice: Random, reach: int) -> list[Observation]:
    """Reorder arrivals so that at most `reach` others overtake each, and repeat some."""
    places = [(place + dice.uniform(0, reach), one) for place, one in enumerate(arrivals)]
    places += [
        (place + dice.uniform(0, reach), one) for place, one in enumerate(arrivals) if dice.random() < 0.1
    ]
    return [one for _, one in sorted(places)]


def run(
    arrivals: list[Observation], policy: DatastreamPolicy, dice: Random | None = None, crash: float = 0.0
) -> tuple[dict[Any, Any], dict[int, int], Observation, list[ObservationOutcome]]:
    """Return the last emitted content of each window, the flags, the newest observation and all outcomes."""
    state = DatastreamState()
    windows: dict[Any, Any] = {}
    flags: dict[int, int] = {}
    outcomes = []
    for arrival in arrivals:
        outcome, quality_results, *_ = state.observe(arrival, policy, FUTURE_MAX)
        outcomes.append(outcome)
        flags.update(quality_results)
        if dice is not None and dice.random() < 0.3:
            emit(state, policy, arrival.received_time, windows)
        if dice is not None and dice.random() < crash:
            data = msgspec.msgpack.encode(state.snapshot())
            state = DatastreamState.restored(msgspec.msgpack.decode(data, type=DatastreamSnapshot))
    emit(state, policy, AFTER_THE_END, windows)
    newest = state.newest._replace(received_time=0)
    return windows, {time: flag for time, flag in flags.items() if flag}, newest, outcomes


def emit(state: DatastreamState, policy: DatastreamPolicy, now: int, windows: dict[Any, Any]) -> None:
    for window, content, lacking in state.emit_windows(now, policy):
        assert not lacking
        windows[window] = aggregate(content, window.size, window.start, policy)


def aggregate(content: WindowAccumulator, size: int, start: int, policy: DatastreamPolicy) -> Any:
    return aggregate_of(
        content,
        datastream=1,
        size=size,
        start=start,
        revision=0,
        interval=policy.interval,
        kind=policy.aggregation,
    )


@given(series(), st.sampled_from(PROPERTIES), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_any_order_within_the_lateness_limit_gives_the_same_windows_and_flags(
    arrivals: list[Observation], name: str, dice: Random
) -> None:
    policy = policy_of(name)
    expected = run(arrivals, policy)[:3]
    assert run(disturbed(arrivals, dice, LATE_MAX - 1), policy, dice)[:3] == expected


@given(series(), st.sampled_from(PROPERTIES), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_a_restart_at_any_moment_changes_nothing(
    arrivals: list[Observation], name: str, dice: Random
) -> None:
    policy = policy_of(name)
    shuffled = disturbed(arrivals, dice, LATE_MAX - 1)
    assert run(shuffled, policy, dice, crash=0.2)[:3] == run(shuffled, policy)[:3]


@given(series(), st.sampled_from(("water_level", "vehicle_count")))
def test_each_usable_observation_is_in_one_window_of_each_size(
    arrivals: list[Observation], name: str
) -> None:
    policy = policy_of(name)
    windows, _, _, outcomes = run(arrivals, policy)
    assert set(outcomes) == {ObservationOutcome.ACCEPTED}
    for size in WINDOW_SIZES:
        of_size = [one for window, one in windows.items() if window.size == size]
        assert sum(one.count + one.suspect for one in of_size) == len(arrivals)
        assert {one.start for one in of_size} == {window_start(one[1], size) for one in arrivals}


@given(series(), st.sampled_from(PROPERTIES), st.randoms(use_true_random=False))
def test_an_idle_state_has_no_window_to_emit_and_keeps_its_due_time(
    arrivals: list[Observation], name: str, dice: Random
) -> None:
    policy, state, quiet = policy_of(name), DatastreamState(), 0
    due = None
    for arrival in disturbed(arrivals, dice, 10):
        state.observe(arrival, policy, FUTURE_MAX)
        now = arrival.received_time + dice.choice((0, 0, MINUTE, 5 * MINUTE, HOUR))
        if state.is_idle(now, policy):
            quiet += 1
            emitted = list(state.emit_windows(now, policy))
            assert (emitted, state.due(policy)) == ([], due)
            assert not state.is_idle(now, policy_of(name)), "by other policy it may be otherwise"
        elif dice.random() < 0.8:
            list(state.emit_windows(now, policy))
            due = state.due(policy)
    event(f"quiet: {quiet > 0}")


@given(st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_correction_changes_the_windows_as_if_it_had_arrived_first(dice: Random) -> None:
    policy = policy_of("vehicle_count")
    plain = [Observation(1, n * 30 * SECOND, n * 30 * SECOND, float(n % 7 + 1)) for n in range(60)]
    arrivals = list(plain)
    final = {one.phenomenon_time: one for one in plain}
    for place in sorted(dice.sample(range(10, 60), 5), reverse=True):
        old = plain[place - dice.randrange(9)]
        corrected = old._replace(value=old.value + 10, received_time=old.received_time + HOUR)
        arrivals.insert(place, corrected)
        known = final[old.phenomenon_time]
        final[old.phenomenon_time] = max(known, corrected, key=lambda one: one[2:])
    expected = run(sorted(final.values(), key=lambda one: one[1]), policy)
    assert run(arrivals, policy, dice)[0] == {
        **expected[0],
    }


def test_an_observation_that_is_too_late_needs_a_repair_and_marks_its_window() -> None:
    policy = policy_of("water_level")
    state = DatastreamState()
    for number in range(100):
        state.observe(Observation(1, number * SECOND, number * SECOND, 1.0), policy, FUTURE_MAX)
    outcome, *_ = state.observe(Observation(1, 500_000, 200 * SECOND, 1.0), policy, FUTURE_MAX)
    assert outcome is ObservationOutcome.REPAIR
    emitted = {window: lacking for window, _, lacking in state.emit_windows(AFTER_THE_END, policy)}
    assert emitted[WindowKey(HOUR, 0)]
    assert not list(state.emit_windows(AFTER_THE_END, policy))
