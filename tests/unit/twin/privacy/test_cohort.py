"""The published sums of a group of households whose members join, fall silent and leave."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from twin.instant import MINUTE, Instant
from twin.privacy.cohort import (
    CARRIED_MAX,
    COHORT_BREAK,
    COHORTS_MAX,
    FORMING_MAX,
    Cohort,
    PastCohort,
    PublishedSum,
    advance_cohort,
)
from twin.quality.quality_flags import QualityFlag

WINDOW = 10 * MINUTE
DAY_OF_WINDOWS = COHORT_BREAK // WINDOW


class Area:
    """An area with consecutive windows."""

    def __init__(self, registered: int = 0) -> None:
        self.cohort: Cohort | None = None
        self.window: Instant = 0
        self.registered = registered

    def process(
        self, reporting: Iterable[int], windows: int = 1, value: float = 1.0
    ) -> list[PublishedSum | None]:
        """Process windows in which these connections report the same value; return the published sums."""
        sums = []
        for _ in range(windows):
            self.window += WINDOW
            present = dict.fromkeys(reporting, value)
            self.cohort, published = advance_cohort(self.cohort, present, self.window, self.registered)
            sums.append(published)
        return sums

    def counts(self, reporting: Iterable[int], windows: int = 1) -> list[int | None]:
        return [one.count if one else None for one in self.process(reporting, windows)]


def test_nine_connections_are_never_published() -> None:
    area = Area()
    assert area.process(range(9), 300) == [None] * 300
    assert area.cohort is None


def test_ten_connections_are_published_as_their_sum() -> None:
    area = Area()
    assert area.process(range(10), value=0.3) == [PublishedSum(WINDOW, 3.0, tuple(range(10)), 0)]


def test_a_new_connection_waits_for_nine_more() -> None:
    area = Area()
    assert area.counts(range(10)) == [10]
    assert area.counts(range(11), 300) == [10] * 300
    assert area.counts(range(19)) == [10]
    assert area.counts(range(20)) == [20]


def test_a_silent_member_counts_with_its_last_value_for_a_day_then_nothing_is_published_for_a_day() -> None:
    area = Area()
    area.process(range(12), value=2.0)
    sums = area.process(range(1, 12), DAY_OF_WINDOWS)
    assert {one and (one.value, one.count, one.flags) for one in sums} == {
        (13.0, 12, int(QualityFlag.ESTIMATED))
    }
    assert area.counts(range(1, 12), DAY_OF_WINDOWS - 1) == [None] * (DAY_OF_WINDOWS - 1)
    assert area.counts(range(1, 12)) == [11]


def test_a_member_that_reports_again_in_time_changes_nothing() -> None:
    area = Area()
    area.process(range(12))
    area.process(range(2, 12), DAY_OF_WINDOWS)
    (total,) = area.process(range(12))
    assert total is not None
    assert (total.count, total.flags) == (12, 0)


def test_fewer_than_ten_reporting_connections_are_not_published_although_others_have_values() -> None:
    area = Area()
    assert area.counts(range(12)) == [12]
    assert area.counts(range(9), 5) == [None] * 5
    assert area.counts(range(10)) == [12]


def test_in_a_large_area_nine_are_left_out_with_the_one_that_left() -> None:
    area = Area()
    area.process(range(40))
    stays = range(39)
    assert area.counts(stays, DAY_OF_WINDOWS) == [40] * DAY_OF_WINDOWS
    assert area.counts(stays, 3) == [30] * 3
    assert area.cohort is not None
    assert area.cohort.members() == frozenset(range(9, 39))


def test_a_cohort_may_not_be_nearly_equal_to_an_earlier_one_of_the_same_day() -> None:
    area = Area()
    area.process(range(30))
    area.process(range(20), DAY_OF_WINDOWS)
    assert area.counts(range(20)) == [20]
    # 29 of the 30 and another: eleven more than the 20, but only two differ from the 30.
    nearly = [*range(29), 30]
    assert area.counts(nearly) == [20]
    assert area.counts(nearly, DAY_OF_WINDOWS)[-1] == 30
    # The same 30 were published before, so they may be published again.
    other = Area()
    other.process(range(30))
    other.process(range(20), DAY_OF_WINDOWS + 1)
    assert other.counts(range(30)) == [30]


def test_the_number_of_cohorts_in_a_day_is_limited() -> None:
    area = Area()
    counts = [area.counts(range(10 * number))[0] for number in range(1, COHORTS_MAX + 3)]
    assert counts == [10, 20, 30, 40, 40, 40]
    assert area.cohort is not None
    assert len(area.cohort.past) == COHORTS_MAX


def test_the_first_cohort_waits_for_registered_connections() -> None:
    area = Area(registered=12)
    assert area.counts(range(11), 3) == [None] * 3
    assert area.counts(range(12)) == [12]
    late = Area(registered=12)
    waited = FORMING_MAX // WINDOW
    assert late.counts(range(11), waited + 1) == [None] * waited + [11]


def test_an_older_window_is_not_published_later() -> None:
    area = Area()
    area.process(range(12))
    before = area.cohort
    assert advance_cohort(before, dict.fromkeys(range(12), 5.0), WINDOW) == (before, None)
    assert advance_cohort(before, dict.fromkeys(range(12), 5.0), 0) == (before, None)


def test_after_a_day_without_publication_a_new_cohort_may_form() -> None:
    area = Area()
    area.process(range(12))
    area.window += COHORT_BREAK - WINDOW
    assert area.counts([*range(10), 20]) == [11]


def test_just_before_a_day_without_publication_no_new_cohort_may_form() -> None:
    area = Area()
    area.process(range(12))
    area.window += COHORT_BREAK - 2 * WINDOW
    assert area.counts([*range(11), 20]) == [12]
    assert CARRIED_MAX <= COHORT_BREAK


def test_when_earlier_cohorts_are_unknown_only_the_last_one_is_published_for_a_day() -> None:
    area = Area()
    area.cohort = Cohort.from_last_publication(PastCohort(tuple(range(20)), 0))
    assert area.counts(range(40), 3) == [20] * 3
    assert area.counts(range(10, 40), 3) == [20] * 3
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(area.cohort), type=Cohort)
    assert restored == area.cohort
    area.window = COHORT_BREAK - WINDOW
    assert area.counts(range(40)) == [40]


def test_after_the_loss_of_the_log_a_cohort_with_a_silent_member_is_not_published() -> None:
    area = Area()
    area.cohort = Cohort.from_last_publication(PastCohort(tuple(range(20)), 0))
    assert area.counts(range(19), 3) == [None] * 3
    assert area.counts(range(20)) == [20]
