"""Recurrence rules: their faults, UNTIL in each form, and the nights in which the clocks change."""

from __future__ import annotations

import pytest

from twin.instant import DAY, HOUR, INSTANT_MAX, MINUTE, format_instant, parse_instant
from twin.model.maintenance_window import MaintenanceSchedule, next_occurrences
from twin.model.recurrence import Recurrence, RecurringPeriod, occurrences_between, recurs, rule_fault

ZONE = "Europe/Amsterdam"


def period(start: str, length: int, rule: str, *exdates: str) -> RecurringPeriod:
    begin = parse_instant(start)
    return RecurringPeriod(begin, begin + length, Recurrence(rule=rule, exdates=exdates), ZONE)


def listed(one: RecurringPeriod, days: int = 40) -> list[str]:
    found = occurrences_between(one, one.start, one.start + days * DAY)
    return [f"{format_instant(start)}/{format_instant(end)}" for start, end in found]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", "no FREQ"),
        ("weekly", "no FREQ"),
        ("FREQ=FORTNIGHTLY", "no RRULE"),
        ("FREQ=HOURLY", "FREQ=HOURLY"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260401", "at most one of them"),
        ("FREQ=DAILY;BYHOUR=1,2", "BYHOUR"),
        ("FREQ=YEARLY;BYWEEKNO=7", "BYWEEKNO"),
        ("FREQ=DAILY;BYMONTH=2,4;BYMONTHDAY=31,-31", "that no BYMONTH has"),
    ],
)
def test_a_wrong_rule_is_explained(rule: str, expected: str) -> None:
    assert expected in rule_fault(rule)


def test_a_rule_that_never_recurs_is_found() -> None:
    odd = "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29"
    assert not recurs(period("2025-02-28T08:00:00+01:00", HOUR, odd))
    assert not recurs(period("2025-02-28T08:00:00+01:00", HOUR, f"{odd};UNTIL=99981231"))
    leap = period("2024-02-29T08:00:00+01:00", HOUR, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29")
    assert recurs(leap)


@pytest.mark.parametrize(
    ("until", "days"),
    [
        ("20260304", 4),  # the whole of that local day
        ("20260304T080000", 4),  # local
        ("20260304T075959", 3),
        ("20260304T070000Z", 4),
        ("20260304T065959Z", 3),
    ],
)
def test_until_is_inclusive_and_local_without_a_zone(until: str, days: int) -> None:
    assert len(listed(period("2026-03-01T08:00:00+01:00", HOUR, f"FREQ=DAILY;UNTIL={until}"))) == days


def test_a_night_has_the_same_local_times_when_the_clocks_change() -> None:
    nights = period("2026-03-27T22:00:00+01:00", 8 * HOUR, "FREQ=DAILY;COUNT=3")
    assert listed(nights) == [
        "2026-03-27T21:00:00Z/2026-03-28T05:00:00Z",
        "2026-03-28T21:00:00Z/2026-03-29T04:00:00Z",
        "2026-03-29T20:00:00Z/2026-03-30T04:00:00Z",
    ]
    nights = period("2026-10-23T22:00:00+02:00", 8 * HOUR, "FREQ=DAILY;COUNT=2")
    assert listed(nights)[1] == "2026-10-24T20:00:00Z/2026-10-25T05:00:00Z"


def test_a_local_time_that_the_spring_night_skips_has_its_length() -> None:
    skipped = period("2026-03-28T02:30:00+01:00", 30 * MINUTE, "FREQ=DAILY;COUNT=2")
    assert listed(skipped)[1] == "2026-03-29T01:30:00Z/2026-03-29T02:00:00Z"


def test_excluded_dates_are_local_and_count() -> None:
    daily = period("2026-03-01T00:30:00+01:00", HOUR, "FREQ=DAILY;COUNT=3", "2026-03-02")
    assert [one[:10] for one in listed(daily)] == ["2026-02-28", "2026-03-02"]


def test_a_recurring_period_ends_where_its_rule_does() -> None:
    assert period("2026-03-01T08:00:00+01:00", HOUR, "FREQ=DAILY").reach[1] == INSTANT_MAX
    ended = period("2026-03-01T08:00:00+01:00", HOUR, "FREQ=DAILY;UNTIL=20260310")
    assert ended.reach[1] >= occurrences_between(ended, 0, 2 * parse_instant("2026-03-01T08:00:00Z"))[-1][1]


def test_the_next_occurrences_begin_with_the_one_in_force() -> None:
    weekly = period("2026-03-02T08:00:00+01:00", HOUR, "FREQ=WEEKLY")
    found = next_occurrences(weekly, weekly.start + 7 * DAY + MINUTE, 3)
    assert [start - weekly.start for start, _ in found[:2]] == [7 * DAY, 14 * DAY]
    assert len(found) == 3
    assert next_occurrences(weekly, weekly.start - 3_000 * DAY, 3) == []
    once = RecurringPeriod(weekly.start, weekly.end)
    assert next_occurrences(once, 0, 5) == [(weekly.start, weekly.end)]
    assert next_occurrences(once, weekly.end, 5) == []


def test_equal_periods_make_equal_schedules() -> None:
    weekly, once = period("2026-03-02T08:00:00+01:00", HOUR, "FREQ=WEEKLY"), RecurringPeriod(0, HOUR)
    assert MaintenanceSchedule.of([weekly, once]) == MaintenanceSchedule.of([once, weekly, once])
    assert not MaintenanceSchedule.of([])
    # An open end, and a time long after it.
    forever = MaintenanceSchedule.of([RecurringPeriod(HOUR, INSTANT_MAX)])
    assert [forever.includes(time) for time in (0, HOUR, 30_000 * DAY)] == [False, True, True]
    assert list(forever.changes_after(HOUR)) == []
