"""The laws of counters: increases add up to the truth, in spite of wraps, resets and corrections."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twin.instant import MINUTE
from twin.state.counter import TOLERANCE, WRAP_SHARE, counter_increase

CIRCLE = 65_536
RATE_MAX = 2.0  # counts per second: 120 in a minute

amounts = st.integers(0, 120)
readings = st.lists(st.integers(0, 10**6).map(float), min_size=2, max_size=30)


def total_increase(values: list[float], **what: float) -> float:
    """Return the sum of the increases over readings a minute apart."""
    register, total = values[0], 0.0
    for n, value in enumerate(values[1:]):
        found = counter_increase((n * MINUTE, register), ((n + 1) * MINUTE, value), **what)
        total += found.amount
        register = found.register
    return total


@given(st.integers(0, CIRCLE - 1), st.lists(amounts, min_size=1, max_size=60))
def test_the_increases_of_a_wrapping_register_add_up_to_the_truth(start: int, passed: list[int]) -> None:
    register, values = start, [float(start)]
    for amount in passed:
        register = (register + amount) % CIRCLE
        values.append(float(register))
    assert total_increase(values, wraps_at=CIRCLE) == sum(passed)
    assert total_increase(values, wraps_at=CIRCLE, rate_max=RATE_MAX) == sum(passed)


@given(
    st.integers(2_000, 10**6),
    st.lists(st.tuples(amounts, st.booleans()), min_size=1, max_size=40),
)
def test_the_increases_of_a_restarting_register_add_up_to_its_readings(
    start: int, steps: list[tuple[int, bool]]
) -> None:
    """A reboot hides the increase before it in its interval; here that is 0, so the sum is the truth."""
    register, values, truth = start, [float(start)], 0
    for amount, reboots in steps:
        # A low register cannot be distinguished from a replaced one.
        if reboots and register >= 10 * max(amount, 12):
            register = 0
        register += amount
        truth += amount
        values.append(float(register))
    assert total_increase(values) == truth
    assert total_increase(values, rate_max=RATE_MAX) == truth


@given(st.lists(st.integers(-1, 60), min_size=1, max_size=60))
def test_corrections_by_one_unit_never_count_twice(steps: list[int]) -> None:
    value, values = 1_000.0, [1_000.0]
    for step in steps:
        # At most one unit below the greatest reading: more is not a correction.
        value = max(value + step, max(values) - TOLERANCE)
        values.append(value)
    assert total_increase(values) == max(values) - values[0]


@given(readings, st.data())
def test_a_sequence_that_is_split_anywhere_has_the_same_sum(values: list[float], data: st.DataObject) -> None:
    whole = [counter_increase((n, a), (n + 1, b)).amount for n, (a, b) in enumerate(pairwise(values))]
    cut = data.draw(st.integers(0, len(values) - 1))
    halves = (values[: cut + 1], values[cut:])
    parts = [counter_increase((0, a), (1, b)).amount for half in halves for a, b in pairwise(half)]
    assert parts == whole


@given(
    st.floats(0, 1e9),
    st.floats(0, 1e9),
    st.none() | st.sampled_from([65_536.0, 2.0**32]),
    st.none() | st.floats(0.001, 1e3),
)
def test_an_increase_is_never_negative_nor_beyond_the_rate(
    before: float, now: float, wraps_at: float | None, rate_max: float | None
) -> None:
    found = counter_increase((0, before), (MINUTE, now), wraps_at=wraps_at, rate_max=rate_max)
    assert found.amount >= 0
    assert found.estimated == found.reset
    if rate_max is not None:
        assert found.amount <= 60 * rate_max + TOLERANCE
    if now < before and not found.reset and wraps_at is not None:
        assert found.amount <= WRAP_SHARE * wraps_at
