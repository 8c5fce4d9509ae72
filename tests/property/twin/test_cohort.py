"""A cohort over months of changes: the attacker knows the members of each sum, and subtracts sums."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.instant import Instant
from twin.privacy.cohort import (
    CARRIED_MAX,
    COHORT_BREAK,
    CONNECTIONS_MIN,
    Cohort,
    PublishedSum,
    advance_cohort,
)
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.quality.quality_flags import QualityFlag

CONNECTIONS = 26

# Windows are mostly consecutive; at times an outage, a day, or more than the carrying time and the break.
gaps = st.sampled_from([1, 1, 1, 1, 6, 40, 143, 144, 145, 300])
# Connections that start or stop to report: one, a few, or enough for a new cohort.
changes = st.one_of(
    st.just(frozenset[int]()),
    st.frozensets(st.integers(0, CONNECTIONS - 1), min_size=1, max_size=2),
    st.frozensets(st.integers(0, CONNECTIONS - 1), min_size=8, max_size=14),
    # Nearly the same ones again: a cohort that would nearly equal an earlier one.
    st.sampled_from([frozenset(range(10)), frozenset(range(1, 11)), frozenset(range(2, 12))]),
)
histories = st.lists(st.tuples(gaps, changes), min_size=1, max_size=25)
first_speakers = st.frozensets(st.integers(0, CONNECTIONS - 1), max_size=CONNECTIONS)


def value_of(connection: int, window: Instant) -> float:
    """Return a load that is unique among connections and windows, to a watt."""
    return ((connection + 1) * 7919 + window // HOUSEHOLD_WINDOW * 104_729) % 9_973 / 1000


class PublishedTerms(NamedTuple):
    """A published sum, with the values behind it, which the attacker must not find out."""

    published: PublishedSum
    members: frozenset[int]
    terms: frozenset[tuple[int, Instant]]  #: connection, and the window of its value


def windows(
    speakers: frozenset[int], history: list[tuple[int, frozenset[int]]]
) -> Iterator[tuple[Instant, frozenset[int]]]:
    """Yield each window with the connections that report in it."""
    window = 0
    for gap, change in history:
        window += gap * HOUSEHOLD_WINDOW
        speakers ^= change
        yield window, speakers


def run(
    speakers: frozenset[int], history: list[tuple[int, frozenset[int]]], registered: int
) -> Iterator[tuple[Cohort | None, PublishedTerms | None, dict[int, float]]]:
    cohort: Cohort | None = None
    for window, speaking in windows(speakers, history):
        present = {one: value_of(one, window) for one in speaking}
        cohort, published = advance_cohort(cohort, present, window, registered)
        sums = None
        if published is not None:
            assert cohort is not None
            terms = frozenset((one, cohort.member_values[one].window) for one in cohort.members())
            sums = PublishedTerms(published, cohort.members(), terms)
        yield cohort, sums, present


registered_counts = st.sampled_from([0, CONNECTIONS])


@settings(max_examples=300)
@given(first_speakers, histories, registered_counts)
def test_sums_within_a_break_are_over_the_same_connections_or_differ_in_enough(
    speakers: frozenset[int], history: list[tuple[int, frozenset[int]]], registered: int
) -> None:
    sums = [one for _, one, _ in run(speakers, history, registered) if one is not None]
    for household_sum in sums:
        assert household_sum.published.count == len(household_sum.members) >= CONNECTIONS_MIN
    for earlier, later in combinations(sums, 2):
        if later.published.window - earlier.published.window < COHORT_BREAK:
            difference = len(earlier.members ^ later.members)
            assert difference == 0 or difference >= CONNECTIONS_MIN


@settings(max_examples=200)
@given(first_speakers, histories, registered_counts)
def test_no_difference_of_two_sums_is_over_few_connections_even_when_many_were_silent(
    speakers: frozenset[int], history: list[tuple[int, frozenset[int]]], registered: int
) -> None:
    sums = [one for _, one, _ in run(speakers, history, registered) if one is not None]
    for earlier, later in combinations(sums, 2):
        assert len({connection for connection, _ in earlier.terms ^ later.terms}) >= CONNECTIONS_MIN


@settings(max_examples=200)
@given(first_speakers, histories)
def test_a_sum_is_that_of_its_members_each_with_a_value_of_at_most_a_day_ago(
    speakers: frozenset[int], history: list[tuple[int, frozenset[int]]]
) -> None:
    for _, sums, present in run(speakers, history, 0):
        if sums is None:
            continue
        published = sums.published
        assert all(0 <= published.window - window <= CARRIED_MAX for _, window in sums.terms)
        assert math.isclose(published.value, math.fsum(value_of(*one) for one in sums.terms), abs_tol=5e-4)
        assert bool(published.flags & QualityFlag.ESTIMATED) == (not sums.members <= present.keys())


@settings(max_examples=100)
@given(first_speakers, histories, st.integers(0, 3))
def test_a_window_is_published_once_and_a_checkpoint_changes_nothing(
    speakers: frozenset[int], history: list[tuple[int, frozenset[int]]], back: int
) -> None:
    for cohort, sums, present in run(speakers, history, 0):
        restored = msgspec.msgpack.decode(msgspec.msgpack.encode(cohort), type=Cohort | None)
        assert restored == cohort
        if sums is not None:
            corrected = {one: value + 1 for one, value in present.items()}
            again = advance_cohort(cohort, corrected, sums.published.window - back * HOUSEHOLD_WINDOW)
            assert again == (cohort, None)
