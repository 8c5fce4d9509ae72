"""The laws of runs of equal values: they agree with their definition, and depend on bounded history."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twin.instant import DAY, HOUR, MINUTE, Instant
from twin.quality.constant_run import (
    ACTIVITY_FACTOR,
    ACTIVITY_KNOWN_MIN,
    ACTIVITY_MEMORY,
    STANDSTILL_MIN,
    STANDSTILLS_IGNORED,
    extend_run,
    extend_run_over,
    is_stuck,
)
from twin.quality.quality_rules import NullValueRule, QualityRules, StuckRule

RULES = QualityRules(
    null_values=NullValueRule(duration_min=3 * HOUR, count=3),
    stuck=StuckRule(count=4, duration_min=3 * DAY, active_duration_min=6 * HOUR, except_values=(7.0,)),
)

# Steps from a quarter of an hour to days, and few values, so that there are long and short runs.
steps = st.one_of(st.integers(1, 8), st.integers(1, 8), st.integers(9, 400))
series = st.lists(st.tuples(steps, st.sampled_from([0.0, 1.0, 1.0, 1.5, 7.0])), min_size=1, max_size=80).map(
    lambda taken: [
        (sum(step for step, _ in taken[: n + 1]) * 15 * MINUTE, value) for n, (_, value) in enumerate(taken)
    ]
)


def stuck_by_definition(observations: list[tuple[Instant, float]]) -> bool:
    """Return whether the last observation is stuck, from the whole series."""
    starts = [
        time for n, (time, value) in enumerate(observations) if n == 0 or value != observations[n - 1][1]
    ]
    (time, value), start = observations[-1], starts[-1]
    count, duration = sum(moment >= start for moment, _ in observations), time - start
    if value == 0.0 and count >= 3 and duration >= 3 * HOUR:
        return True
    if value == 7.0 or count < 4:
        return False
    if duration >= 3 * DAY:
        return True
    oldest = start - ACTIVITY_MEMORY
    still = sorted(
        (end - max(begin, oldest) for begin, end in pairwise(starts) if end > oldest), reverse=True
    )
    ignored = [length for length in still[:STANDSTILLS_IGNORED] if length > STANDSTILL_MIN]
    known = start - max(starts[0], oldest) - sum(ignored) >= ACTIVITY_KNOWN_MIN
    longest = max([STANDSTILL_MIN, *still[STANDSTILLS_IGNORED:]])
    return known and duration >= max(6 * HOUR, ACTIVITY_FACTOR * longest)


@given(series)
def test_a_run_is_stuck_by_its_definition(observations: list[tuple[Instant, float]]) -> None:
    run = None
    for n, (time, value) in enumerate(observations):
        run = extend_run(run, time, value)
        assert is_stuck(run, time, RULES) == stuck_by_definition(observations[: n + 1])


@given(series, st.integers(0, 80))
def test_a_run_over_many_observations_is_that_of_each_of_them(
    observations: list[tuple[Instant, float]], known: int
) -> None:
    run = None
    for time, value in observations:
        run = extend_run(run, time, value)
    before = extend_run_over(None, observations[:known])
    assert extend_run_over(before, observations[known:]) == run


@given(series)
def test_a_fold_over_the_memory_before_a_run_is_enough(observations: list[tuple[Instant, float]]) -> None:
    run = extend_run_over(None, observations)
    assert run is not None
    oldest = run.start - ACTIVITY_MEMORY
    begin = max((n for n, (time, _) in enumerate(observations) if time <= oldest), default=0)
    part = extend_run_over(None, observations[begin:])
    assert part is not None
    time = observations[-1][0]
    for later in (0, HOUR, 6 * HOUR, 9 * HOUR, 2 * DAY, 4 * DAY):
        assert is_stuck(run, time + later, RULES) == is_stuck(part, time + later, RULES)


@given(series, st.lists(st.integers(1, 100), max_size=10))
def test_what_is_stuck_stays_stuck_while_the_value_repeats(
    observations: list[tuple[Instant, float]], more: list[int]
) -> None:
    run = extend_run_over(None, observations)
    assert run is not None
    time, was_stuck = observations[-1][0], False
    for step in more:
        time += step * 15 * MINUTE
        run = extend_run(run, time, run.value)
        assert is_stuck(run, time, RULES) >= was_stuck
        was_stuck = is_stuck(run, time, RULES)


@given(series)
def test_few_standstills_are_remembered(observations: list[tuple[Instant, float]]) -> None:
    run = extend_run_over(None, observations)
    assert run is not None
    assert list(run.standstills) == sorted(run.standstills)
    assert all(end > run.start - ACTIVITY_MEMORY for _, end in run.standstills)
    lengths = [end - start for start, end in run.standstills]
    assert all(length > STANDSTILL_MIN for length in lengths)
    for n, length in enumerate(lengths):
        assert sum(later >= length for later in lengths[n + 1 :]) <= STANDSTILLS_IGNORED
