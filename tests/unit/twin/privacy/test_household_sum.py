"""When a window of households is complete, and which sum is published."""

from __future__ import annotations

from collections.abc import Iterable

from twin.instant import MINUTE, Instant
from twin.privacy.household_sum import HOUSEHOLD_WINDOW, PENDING_MAX, PENDING_WINDOWS_MAX, HouseholdSum
from twin.state.window import Aggregate, WindowAccumulator, aggregate_of

INTERVAL = MINUTE


def window_of(connection: int, start: Instant, value: float = 0.5) -> Aggregate:
    accumulator = WindowAccumulator()
    accumulator.add(start + MINUTE, value, 0, "mean")
    return aggregate_of(
        accumulator,
        datastream=connection,
        size=HOUSEHOLD_WINDOW,
        start=start,
        revision=0,
        interval=INTERVAL,
        kind="mean",
    )


def add(sums: HouseholdSum, connections: Iterable[int], start: Instant, now: Instant) -> None:
    for connection in connections:
        sums.add(window_of(connection, start), now)


def test_a_window_is_published_when_all_registered_connections_have_closed_it() -> None:
    sums = HouseholdSum()
    add(sums, range(11), 0, HOUSEHOLD_WINDOW)
    assert sums.publish(HOUSEHOLD_WINDOW, 12, INTERVAL) == []
    add(sums, [11], 0, HOUSEHOLD_WINDOW)
    (published,) = sums.publish(HOUSEHOLD_WINDOW, 12, INTERVAL)
    assert (published.window, published.value, published.members) == (0, 6.0, tuple(range(12)))
    assert sums.pending == {}


def test_a_window_waits_for_the_next_reading_of_the_slowest_connection() -> None:
    for interval in (MINUTE, 5 * MINUTE):
        sums = HouseholdSum()
        add(sums, range(12), 0, HOUSEHOLD_WINDOW)
        sums.publish(HOUSEHOLD_WINDOW, 12, interval)
        start, end = HOUSEHOLD_WINDOW, 2 * HOUSEHOLD_WINDOW
        add(sums, range(11), start, end)
        assert sums.publish(end + PENDING_MAX + interval - 1, 12, interval) == []
        (published,) = sums.publish(end + PENDING_MAX + interval, 12, interval)
        assert (published.window, published.count) == (start, 12)


def test_a_reading_for_a_published_window_changes_nothing() -> None:
    sums = HouseholdSum()
    add(sums, range(12), 0, HOUSEHOLD_WINDOW)
    assert len(sums.publish(HOUSEHOLD_WINDOW, 12, INTERVAL)) == 1
    sums.add(window_of(3, 0, 9.0), HOUSEHOLD_WINDOW + MINUTE)
    assert sums.pending == {}


def test_a_first_cohort_waits_for_registered_connections_longer_than_a_window_does() -> None:
    sums = HouseholdSum()
    counts = []
    for number in range(8):
        start = number * HOUSEHOLD_WINDOW
        add(sums, range(11), start, start + HOUSEHOLD_WINDOW)
        published = sums.publish(start + HOUSEHOLD_WINDOW + PENDING_MAX + INTERVAL, 12, INTERVAL)
        counts.append([one.count for one in published])
    assert counts == [[]] * 6 + [[11]] * 2


def test_the_number_of_pending_windows_is_limited() -> None:
    sums = HouseholdSum()
    for number in range(PENDING_WINDOWS_MAX + 1):
        add(sums, range(10), number * HOUSEHOLD_WINDOW, 0)
    sums.publish(0, 12, INTERVAL)
    assert len(sums.pending) == PENDING_WINDOWS_MAX


def test_windows_published_together_have_their_own_members() -> None:
    """After the loss of a log, only the members of the last stored sum are known."""
    sums = HouseholdSum()
    add(sums, range(10), 0, 2 * HOUSEHOLD_WINDOW)
    add(sums, range(25), HOUSEHOLD_WINDOW, 2 * HOUSEHOLD_WINDOW)
    published = sums.publish(3 * HOUSEHOLD_WINDOW, 10, INTERVAL)
    assert [one.members for one in published] == [tuple(range(10)), tuple(range(25))]
