"""Rosters with thousands of shifts a day, or without an end, are refused or evaluated quickly."""

from __future__ import annotations

import pytest

from cities.duty.roster_calendar import DATES_MAX, REPEATING_MAX, calendar_faults, without_stamps
from tests.support.cities.rosters import LEAD, ROADS, WATER, calendar_text

CONTACTS = (WATER, ROADS, LEAD)
DAY = ("DTSTART:20260105T080000Z", "DTEND:20260105T200000Z", "SUMMARY:water")


def messages(*events: tuple[str, ...]) -> list[str]:
    return [one.message for one in calendar_faults(calendar_text(*events), CONTACTS)]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("FREQ=SECONDLY", "found FREQ=SECONDLY"),
        ("FREQ=MINUTELY;INTERVAL=5", "found FREQ=MINUTELY"),
        ("FREQ=DAILY;BYSECOND=1,2,3", "found BYSECOND"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "found no repetition"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;UNTIL=20270101T000000Z", "found no repetition"),
    ],
)
def test_a_rule_that_repeats_too_often_or_never_is_refused(rule: str, message: str) -> None:
    assert message in messages(("UID:a", *DAY, f"RRULE:{rule}"))[0]


def test_a_rule_without_an_end_is_accepted() -> None:
    assert messages(("UID:a", *DAY, "RRULE:FREQ=DAILY")) == []
    assert messages(("UID:a", *DAY, "RRULE:FREQ=DAILY;COUNT=1000000000")) == []


def test_events_that_repeat_are_bounded_in_number() -> None:
    events = [(f"UID:{number}", *DAY, "RRULE:FREQ=DAILY;COUNT=2") for number in range(REPEATING_MAX + 1)]
    assert messages(*events) == [
        f"found {REPEATING_MAX + 1} events with an RRULE, expected at most {REPEATING_MAX}"
    ]


@pytest.mark.parametrize("name", ["RDATE", "EXDATE"])
def test_dates_that_are_listed_are_bounded_in_number(name: str) -> None:
    dates = ",".join(["20260105T080000Z"] * (DATES_MAX // 2 + 1))
    events = [(f"UID:{number}", *DAY, f"{name}:{dates}") for number in range(2)]
    assert messages(*events) == [
        f"found {DATES_MAX + 2} dates in {name}, expected at most {DATES_MAX} in all events"
    ]


def test_new_uids_of_an_export_are_no_change() -> None:
    def exported(first: str, second: str, exception: str = "") -> str:
        moved = ("RECURRENCE-ID:20260106T080000Z", "DTSTART:20260106T090000Z", *DAY[1:])
        return without_stamps(
            calendar_text(
                (f"UID:{first}", *DAY, "RRULE:FREQ=DAILY;COUNT=2"),
                (f"UID:{second}", *DAY),
                (f"UID:{exception or first}", *moved),
            )
        )

    assert exported("a1", "b1") == exported("0f3c-" + "d" * 60 + "\r\n d", "b2")
    assert exported("a1", "b1") != exported("a1", "b1", "b1"), "the exception is of the other event"
