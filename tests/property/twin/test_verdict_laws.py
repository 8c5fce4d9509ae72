"""Verdicts and windows, of the stream and of repairs, are a function of the set of observations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.database.memory_history import MemoryHistory, completed
from twin.instant import DAY, HOUR, MINUTE, Duration, Instant
from twin.model.calibration import Calibration
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import TIME_FLAGS, is_usable
from twin.quality.quality_rules import IsolatedRule, NullValueRule, QualityRules, SpikeRule, StuckRule
from twin.state.datastream_history import (
    assess_history,
    read_history_span,
    read_stored_history,
    windows_of,
)
from twin.state.datastream_state import (
    RECENT_MAX,
    DatastreamSnapshot,
    DatastreamState,
    ObservationOutcome,
    ObservationResult,
)
from twin.state.preceding_history import StoredHistory
from twin.state.window import WindowAccumulator, aggregate_of

INTERVAL = 10 * MINUTE
RULES = QualityRules(
    spike=SpikeRule(deviation_min=5.0), rate_max=1.0, stuck=StuckRule(count=5, duration_min=2 * HOUR)
)
ACTIVE_RULES = replace(
    RULES,
    isolated=IsolatedRule(deviation_min=20.0),
    null_values=NullValueRule(values=(1.0,), duration_min=8 * HOUR),
    stuck=StuckRule(count=10, duration_min=2 * DAY, active_duration_min=3 * HOUR),
)
POLICIES = [
    DatastreamPolicy.of(replace(BUILT_IN_PROPERTIES[name], quality=rules), INTERVAL, calibrations)
    for name, rules, calibrations in (
        ("water_level", RULES, ()),
        ("water_level", ACTIVE_RULES, ()),
        ("vehicle_count", RULES, ()),
        ("energy_import", replace(RULES, spike=None, rate_max=None), ()),
        ("co2", replace(RULES, stuck=StuckRule(count=60, duration_min=12 * HOUR)), ()),
        (
            "no2",
            RULES,
            (Calibration(sensor="s", property="no2", start=30 * HOUR, end=50 * HOUR, offset=0.5),),
        ),
    )
]
AFTER_THE_END = 10**15
SENT = RECENT_MAX + 16
"""How many observations a repair sends back."""


@st.composite
def series(draw: Any) -> list[Observation]:
    """Return observations with runs of equal values, short and long, and outliers, ascending."""
    dice = Random(draw(st.integers(0, 2**32)))
    time, found = 0, []
    for _ in range(draw(st.integers(1, 14))):
        value = dice.choice((1.0, 1.0, 1.1, 2.5, 40.0))
        for _ in range(dice.choice((1, 1, 2, 4, 7, 20, 60, 90))):
            time += dice.choice((1, 1, 1, 1, 1, 2, 9)) * INTERVAL
            found.append(Observation(1, time, time, value))
    return found


def readings(observations: list[Observation], policy: DatastreamPolicy) -> list[Observation]:
    """Return values for a policy: a counter that falls by less is taken as corrected, not as reset."""
    scale = 100 if policy.aggregation == "counter" else 1
    return [one._replace(value=one.value * scale) for one in observations]


@st.composite
def arrivals(draw: Any, observations: list[Observation]) -> list[Observation]:
    """Return observations in another order of arrival: shuffled, halves swapped, blocks late, corrections."""
    dice = draw(st.randoms(use_true_random=False))
    kind = draw(st.sampled_from(("halves", "blocks", "disturbed", "shuffled", "late ones")))
    if kind == "halves":
        middle = dice.randrange(len(observations) + 1)
        return observations[middle:] + observations[:middle]
    if kind == "blocks":
        blocks = [observations[n : n + 40] for n in range(0, len(observations), 40)]
        dice.shuffle(blocks)
        return [one for block in blocks for one in block]
    reach = {"disturbed": 60, "shuffled": 10**6, "late ones": 1}[kind]
    places = [(place + dice.uniform(0, reach), one) for place, one in enumerate(observations)]
    if kind == "late ones":
        places = [(place + dice.choice((0,) * 20 + (20, 50, 200)), one) for place, one in places]
    return [one for _, one in sorted(places)]


class Stored:
    """What storage has of a datastream, and the stream that writes to it."""

    def __init__(self, policy: DatastreamPolicy) -> None:
        self.policy = policy
        self.state = DatastreamState()
        self.observations: dict[Instant, Observation] = {}
        self.flags: dict[Instant, int] = {}
        self.windows: dict[tuple[Duration, Instant], Any] = {}
        self.hours: set[Instant] = set()
        self.feedback: list[StoredHistory] = []
        self.offset = 0
        self.awaited: int | None = None  # offset of the last request for a repair

    def observe(self, observation: Observation) -> None:
        result = self.state.observe(observation, self.policy, MINUTE)
        known = self.observations.get(observation.phenomenon_time, observation)
        self.observations[observation.phenomenon_time] = max(known, observation, key=lambda one: one[2:])
        self.offset += 1
        is_late = result.outcome in (ObservationOutcome.LATE, ObservationOutcome.CORRECTION)
        if result.outcome is ObservationOutcome.REPAIR or (is_late and self.awaited is not None):
            self.request(observation.phenomenon_time)
        self.apply(result)

    def apply(self, result: ObservationResult | None) -> None:
        assert result is not None
        self.flags.update(result.quality_results)
        if result.changed_since is not None:
            self.request(result.changed_since)

    def request(self, time: Instant) -> None:
        self.hours.add(time - time % HOUR)
        self.awaited = self.offset

    def emit(self, now: Instant) -> None:
        for window, content, is_incomplete in self.state.emit_windows(now, self.policy):
            self.windows[window] = aggregate(content, *window, self.policy)
            if is_incomplete:
                self.request(window.start)

    def repair(self) -> None:
        stored = sorted(self.observations.values(), key=lambda one: one.phenomenon_time)
        reader = MemoryHistory(stored, self.policy)
        while self.hours:
            hour = self.hours.pop()
            span = completed(read_history_span(reader, self.policy, hour, hour + HOUR))
            assessed = span.assess(self.policy)
            for one in assessed:
                if span.start <= one.phenomenon_time:
                    self.flags[one.phenomenon_time] = one.flags & ~TIME_FLAGS
            for size, start, content in windows_of(assessed, self.policy, span.start, span.register):
                self.windows[size, start] = aggregate(content, size, start, self.policy)
            history = completed(read_stored_history(reader, self.policy, 1, SENT))
            self.feedback.append(msgspec.structs.replace(history, offset=self.offset))

    def adopt(self) -> None:
        """Let the stream adopt what repairs have found, perhaps some observations later."""
        for history in self.feedback:
            if self.awaited is None or history.offset < self.awaited:
                continue
            self.awaited = None
            result = self.state.adopt(history, self.policy)
            if result is None:
                self.request(history.received[-1].phenomenon_time)
            else:
                self.apply(result)
        self.feedback.clear()

    def restart(self) -> None:
        data = msgspec.msgpack.encode(self.state.snapshot())
        self.state = DatastreamState.restored(msgspec.msgpack.decode(data, type=DatastreamSnapshot))


def aggregate(content: WindowAccumulator, size: Duration, start: Instant, policy: DatastreamPolicy) -> Any:
    return aggregate_of(
        content,
        datastream=1,
        size=size,
        start=start,
        revision=0,
        interval=policy.interval,
        kind=policy.aggregation,
    )


def without_good(flags: dict[Instant, int]) -> dict[Instant, int]:
    return {time: flag for time, flag in sorted(flags.items()) if flag}


def check(stored: Stored, observations: list[Observation]) -> None:
    policy = stored.policy
    stored.adopt()
    stored.emit(AFTER_THE_END)
    while stored.hours:
        stored.repair()
        stored.adopt()
        stored.emit(AFTER_THE_END)
    assessed = assess_history(observations, policy)
    expected = {one.phenomenon_time: one.flags & ~TIME_FLAGS for one in assessed}
    assert without_good(stored.flags) == without_good(expected)
    wanted = {
        (size, start): aggregate(content, size, start, policy)
        for size, start, content in windows_of(assessed, policy)
    }
    assert stored.windows == wanted
    newest = stored.state.newest
    assert (newest.value, newest.flags & ~TIME_FLAGS) == (assessed[-1].value, expected[newest[1]])
    good = [(one.value, one.phenomenon_time) for one in assessed if is_usable(one.flags)]
    assert stored.state.last_good == (good[-1] if good else None)


def play(stored: Stored, arrivals: Iterable[Observation], dice: Random) -> None:
    """Observe in an order of arrival; emit, restart, repair and take over histories at random moments."""
    for one in arrivals:
        stored.observe(one)
        if dice.random() < 0.3:
            stored.emit(one.phenomenon_time)
        if dice.random() < 0.02:
            stored.restart()
        if dice.random() < 0.02:
            stored.repair()
        if dice.random() < 0.05:
            stored.adopt()


@given(series(), st.sampled_from(POLICIES), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_stream_in_order_gives_the_verdicts_and_windows_of_the_set(
    observations: list[Observation], policy: DatastreamPolicy, dice: Random
) -> None:
    observations = readings(observations, policy)
    stored = Stored(policy)
    play(stored, observations, dice)
    check(stored, observations)


@given(series(), st.sampled_from(POLICIES), st.randoms(use_true_random=False), st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_of_arrival_gives_the_verdicts_and_windows_of_the_set(
    observations: list[Observation], policy: DatastreamPolicy, dice: Random, data: st.DataObject
) -> None:
    observations = readings(observations, policy)
    stored = Stored(policy)
    play(stored, data.draw(arrivals(observations)), dice)
    check(stored, observations)
