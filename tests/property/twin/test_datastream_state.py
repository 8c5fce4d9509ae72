"""The laws of a datastream's state: judgements and windows are a function of the set of observations."""

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
TOLD_AT_THE_END = 10**15


def terms_of(name: str) -> DatastreamPolicy:
    return DatastreamPolicy.of(BUILT_IN_PROPERTIES[name], INTERVAL)


@st.composite
def series(draw: Any) -> list[Observation]:
    """Observations with distinct times, gaps, outliers and repetitions, ascending."""
    dice = Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 150))
    time, found = 0, []
    for _ in range(count):
        time += dice.choice((20, 60, 60, 60, 61, 600, 4000)) * SECOND
        value = dice.choice((1.0, 1.0, 1.01, 1.02, 2.5, 40.0))
        found.append(Observation(1, time, time + dice.choice((1, 5)) * SECOND, value))
    return found


def disturbed(arrivals: list[Observation], dice: Random, reach: int) -> list[Observation]:
    """Return the arrivals with none overtaken by more than `reach` others, and some twice."""
    places = [(place + dice.uniform(0, reach), one) for place, one in enumerate(arrivals)]
    places += [
        (place + dice.uniform(0, reach), one) for place, one in enumerate(arrivals) if dice.random() < 0.1
    ]
    return [one for _, one in sorted(places)]


def run(
    arrivals: list[Observation], terms: DatastreamPolicy, dice: Random | None = None, crash: float = 0.0
) -> tuple[dict[Any, Any], dict[int, int], Observation, list[ObservationOutcome]]:
    """Return the last told content of each window, the judgements, the newest, and all outcomes."""
    state = DatastreamState()
    windows: dict[Any, Any] = {}
    flags: dict[int, int] = {}
    outcomes = []
    for one in arrivals:
        outcome, judgements, _ = state.observe(one, terms, FUTURE_MAX)
        outcomes.append(outcome)
        flags.update(judgements)
        if dice is not None and dice.random() < 0.3:
            tell(state, terms, one.received_time, windows)
        if dice is not None and dice.random() < crash:
            data = msgspec.msgpack.encode(state.snapshot())
            state = DatastreamState.restored(msgspec.msgpack.decode(data, type=DatastreamSnapshot))
    tell(state, terms, TOLD_AT_THE_END, windows)
    newest = state.newest._replace(received_time=0)
    return windows, {time: flag for time, flag in flags.items() if flag}, newest, outcomes


def tell(state: DatastreamState, terms: DatastreamPolicy, now: int, windows: dict[Any, Any]) -> None:
    for window, content, lacking in state.emit_windows(now, terms):
        assert not lacking
        windows[window] = aggregate(content, window.size, window.start, terms)


def aggregate(content: WindowAccumulator, size: int, start: int, terms: DatastreamPolicy) -> Any:
    return aggregate_of(
        content,
        datastream=1,
        size=size,
        start=start,
        revision=0,
        interval=terms.interval,
        kind=terms.aggregation,
    )


@given(series(), st.sampled_from(PROPERTIES), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_any_order_within_reach_tells_the_same_windows_and_judgements(
    arrivals: list[Observation], name: str, dice: Random
) -> None:
    terms = terms_of(name)
    expected = run(arrivals, terms)[:3]
    assert run(disturbed(arrivals, dice, LATE_MAX - 1), terms, dice)[:3] == expected


@given(series(), st.sampled_from(PROPERTIES), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_a_restart_at_any_moment_changes_nothing(
    arrivals: list[Observation], name: str, dice: Random
) -> None:
    terms = terms_of(name)
    shuffled = disturbed(arrivals, dice, LATE_MAX - 1)
    assert run(shuffled, terms, dice, crash=0.2)[:3] == run(shuffled, terms)[:3]


@given(series(), st.sampled_from(("water_level", "vehicle_count")))
def test_each_usable_observation_is_in_one_window_of_each_size(
    arrivals: list[Observation], name: str
) -> None:
    terms = terms_of(name)
    windows, _, _, outcomes = run(arrivals, terms)
    assert set(outcomes) == {ObservationOutcome.ACCEPTED}
    for size in WINDOW_SIZES:
        of_size = [one for window, one in windows.items() if window.size == size]
        assert sum(one.count + one.suspect for one in of_size) == len(arrivals)
        assert {one.start for one in of_size} == {window_start(one[1], size) for one in arrivals}


@given(series(), st.sampled_from(PROPERTIES), st.randoms(use_true_random=False))
def test_a_quiet_state_has_nothing_to_tell_and_is_due_when_it_was(
    arrivals: list[Observation], name: str, dice: Random
) -> None:
    terms, state, quiet = terms_of(name), DatastreamState(), 0
    due = None
    for one in disturbed(arrivals, dice, 10):
        state.observe(one, terms, FUTURE_MAX)
        now = one.received_time + dice.choice((0, 0, MINUTE, 5 * MINUTE, HOUR))
        if state.is_idle(now, terms):
            quiet += 1
            told = list(state.emit_windows(now, terms))
            assert (told, state.due(terms)) == ([], due)
            assert not state.is_idle(now, terms_of(name)), "by other terms it may be otherwise"
        elif dice.random() < 0.8:
            list(state.emit_windows(now, terms))
            due = state.due(terms)
    event(f"quiet: {quiet > 0}")


@given(st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_correction_is_in_the_windows_as_if_it_had_been_first(dice: Random) -> None:
    terms = terms_of("vehicle_count")
    plain = [Observation(1, n * 30 * SECOND, n * 30 * SECOND, float(n % 7 + 1)) for n in range(60)]
    arrivals = list(plain)
    final = {one.phenomenon_time: one for one in plain}
    for place in sorted(dice.sample(range(10, 60), 5), reverse=True):
        old = plain[place - dice.randrange(9)]
        corrected = old._replace(value=old.value + 10, received_time=old.received_time + HOUR)
        arrivals.insert(place, corrected)
        known = final[old.phenomenon_time]
        final[old.phenomenon_time] = max(known, corrected, key=lambda one: one[2:])
    expected = run(sorted(final.values(), key=lambda one: one[1]), terms)
    assert run(arrivals, terms, dice)[0] == {
        **expected[0],
    }


def test_what_comes_too_late_asks_for_a_repair_and_its_window_says_so() -> None:
    terms = terms_of("water_level")
    state = DatastreamState()
    for number in range(100):
        state.observe(Observation(1, number * SECOND, number * SECOND, 1.0), terms, FUTURE_MAX)
    outcome, _, _ = state.observe(Observation(1, 500_000, 200 * SECOND, 1.0), terms, FUTURE_MAX)
    assert outcome is ObservationOutcome.REPAIR
    told = {window: lacking for window, _, lacking in state.emit_windows(TOLD_AT_THE_END, terms)}
    assert told[WindowKey(HOUR, 0)]
    assert not list(state.emit_windows(TOLD_AT_THE_END, terms))
