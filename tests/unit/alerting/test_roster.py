"""The roster: shifts and clock changes, exceptions, overrides, gaps, and who is next."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from alerting.policy.roster import DutyShift, duty_shifts, next_on_call, on_call
from tests.support.cities.rosters import (
    LEAD,
    ROADS,
    WATER,
    WEEKS,
    ZONE,
    at,
    calendar_text,
    duty_override,
    plan_with_calendar,
)
from twin.instant import HOUR, format_instant
from twin.model.duty import DutyPlan, DutyTeam

TEAM = "operations"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-05T07:59:59+01:00", None),  # before the first shift
        ("2026-01-05T08:00:00+01:00", "water"),
        ("2026-01-12T07:59:59.999999+01:00", "water"),
        ("2026-01-12T08:00:00+01:00", "roads"),
        ("2026-03-30T07:59:59+02:00", "roads"),  # the clock was put forward the day before
        ("2026-03-30T08:00:00+02:00", "water"),
        ("2026-10-26T07:59:59+01:00", "roads"),  # and back
        ("2026-10-26T08:00:00+01:00", "water"),
        ("2031-06-30T08:00:00+02:00", "water"),
    ],
)
def test_shifts_change_at_the_local_hour_all_year(time: str, expected: str | None) -> None:
    assert on_call(plan_with_calendar(calendar_text(*WEEKS)), TEAM, at(time)) == expected


def test_the_week_in_which_the_clock_changes_has_an_hour_less_or_more() -> None:
    plan = plan_with_calendar(calendar_text(*WEEKS))
    spring = duty_shifts(plan, TEAM, at("2026-03-23T08:00:00+01:00"), at("2026-04-06T08:00:00+02:00"))
    autumn = duty_shifts(plan, TEAM, at("2026-10-19T08:00:00+02:00"), at("2026-11-02T08:00:00+01:00"))
    assert [(one.contact, (one.end - one.start) / HOUR) for one in spring] == [("roads", 167), ("water", 168)]
    assert [(one.contact, (one.end - one.start) / HOUR) for one in autumn] == [("roads", 169), ("water", 168)]


def test_a_team_without_a_calendar_has_its_first_member_on_call() -> None:
    assert on_call(plan_with_calendar(""), TEAM, 0) == "water"
    assert duty_shifts(plan_with_calendar(""), TEAM, 0, HOUR) == (DutyShift("water", 0, HOUR, "default"),)


def test_an_excepted_occurrence_is_a_gap() -> None:
    water = (*WEEKS[0], f"EXDATE;{ZONE}:20260119T080000")
    plan = plan_with_calendar(calendar_text(water, WEEKS[1]))
    start, end = at("2026-01-19T08:00:00+01:00"), at("2026-01-26T08:00:00+01:00")
    assert on_call(plan, TEAM, start) is None
    shifts = duty_shifts(plan, TEAM, start - HOUR, end + HOUR)
    assert [(one.contact, one.start, one.end) for one in shifts] == [
        ("roads", start - HOUR, start),
        (None, start, end),
        ("roads", end, end + HOUR),
    ]


def test_a_moved_occurrence_counts_where_it_was_moved_to() -> None:
    moved = (
        "UID:water-weeks", f"RECURRENCE-ID;{ZONE}:20260119T080000", f"DTSTART;{ZONE}:20260120T080000",
        f"DTEND;{ZONE}:20260126T080000", "SUMMARY:lead",
    )  # fmt: skip
    plan = plan_with_calendar(calendar_text(*WEEKS, moved))
    assert on_call(plan, TEAM, at("2026-01-19T12:00:00+01:00")) is None
    assert on_call(plan, TEAM, at("2026-01-20T12:00:00+01:00")) == "lead"
    assert on_call(plan, TEAM, at("2026-02-02T12:00:00+01:00")) == "water"


def test_the_last_begun_of_overlapping_events_counts() -> None:
    evening = (
        "UID:evening", f"DTSTART;{ZONE}:20260107T180000", f"DTEND;{ZONE}:20260108T080000",
        "SUMMARY:Team lead operations",
    )  # fmt: skip
    plan = plan_with_calendar(calendar_text(evening, *WEEKS))
    shifts = duty_shifts(plan, TEAM, at("2026-01-07T00:00:00+01:00"), at("2026-01-09T00:00:00+01:00"))
    assert [one.contact for one in shifts] == ["water", "lead", "water"]
    assert format_instant(shifts[1].start) == "2026-01-07T17:00:00Z"


def test_cancelled_events_do_not_count() -> None:
    plan = plan_with_calendar(calendar_text((*WEEKS[0], "STATUS:CANCELLED")))
    assert on_call(plan, TEAM, at("2026-01-06T12:00:00+01:00")) is None


def test_days_without_a_time_are_those_of_the_calendars_zone() -> None:
    day = ("UID:day", "DTSTART;VALUE=DATE:20260701", "RRULE:FREQ=DAILY;COUNT=2", "SUMMARY:WATER")
    plan = plan_with_calendar(calendar_text(day, head=("X-WR-TIMEZONE:Europe/Amsterdam",)))
    shifts = duty_shifts(plan, TEAM, at("2026-06-30T00:00:00Z"), at("2026-07-04T00:00:00Z"))
    assert [(one.contact, format_instant(one.start)) for one in shifts] == [
        (None, "2026-06-30T00:00:00Z"),
        ("water", "2026-06-30T22:00:00Z"),
        (None, "2026-07-02T22:00:00Z"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ("DTSTART:20260101T000000Z", "DURATION:PT1H"),
        ("DTSTART:20260101T230000Z", "DURATION:PT1H"),
        ("DTSTART;VALUE=DATE:20260101",),
    ],
)
def test_no_day_of_many_months_is_lost(lines: tuple[str, ...]) -> None:
    event = ("UID:day", *lines, "RRULE:FREQ=DAILY;COUNT=200", "SUMMARY:water")
    plan = plan_with_calendar(calendar_text(event, head=("X-WR-TIMEZONE:Pacific/Kiritimati",)))
    shifts = duty_shifts(plan, TEAM, at("2025-12-30T00:00:00Z"), at("2026-08-01T00:00:00Z"))
    on_duty = [one for one in shifts if one.contact is not None]
    length = 24 if "DATE" in lines[0] else 1
    assert sum(one.end - one.start for one in on_duty) == 200 * length * HOUR
    for shift in on_duty:
        for time in range(shift.start, shift.end, HOUR):
            assert on_call(plan, TEAM, time) == "water"


def test_an_override_precedes_the_calendar_and_a_later_one_precedes_an_earlier() -> None:
    plan = plan_with_calendar(
        calendar_text(*WEEKS),
        duty_override("lead", "2026-01-06T00:00:00Z", "2026-01-08T00:00:00Z"),
        duty_override("roads", "2026-01-07T00:00:00Z", "2026-01-09T00:00:00Z", "2"),
    )
    shifts = duty_shifts(plan, TEAM, at("2026-01-05T12:00:00Z"), at("2026-01-10T00:00:00Z"))
    assert [(one.contact, one.source) for one in shifts] == [
        ("water", "calendar"),
        ("lead", "override"),
        ("roads", "override"),
        ("water", "calendar"),
    ]
    assert on_call(plan, TEAM, at("2026-01-07T00:00:00Z")) == "roads"


def test_an_override_fills_a_gap_unless_its_contact_is_unknown() -> None:
    gone = duty_override("gone", "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "2")
    plan = plan_with_calendar(
        calendar_text(*WEEKS), duty_override("lead", "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"), gone
    )
    assert on_call(plan, TEAM, at("2020-01-01T12:00:00Z")) == "lead"
    assert on_call(plan, TEAM, at("2020-01-02T00:00:00Z")) is None


def test_an_override_concerns_one_team_only() -> None:
    other = DutyTeam(id="night", name="Night", members=("roads",))
    plan = plan_with_calendar("", duty_override("lead", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))
    plan = DutyPlan(contacts=plan.contacts, teams=(*plan.teams, other), overrides=plan.overrides)
    assert on_call(plan, "night", at("2026-01-10T00:00:00Z")) == "roads"


def test_shifts_have_no_gaps_between_them() -> None:
    start, end = at("2025-12-01T00:00:00Z"), at("2026-12-01T00:00:00Z")
    shifts = duty_shifts(plan_with_calendar(calendar_text(*WEEKS)), TEAM, start, end)
    assert (shifts[0].start, shifts[-1].end) == (start, end)
    assert all(one.end == other.start for one, other in pairwise(shifts))
    assert duty_shifts(plan_with_calendar(calendar_text(*WEEKS)), TEAM, end, end) == ()


def test_the_next_member_follows_in_order_and_starts_again() -> None:
    plan = plan_with_calendar("")
    assert [next_on_call(plan, TEAM, "roads", 0, n) for n in (1, 2, 3)] == ["lead", "water", "lead"]
    assert next_on_call(plan, TEAM, None, 0) == "water"
    assert next_on_call(plan, TEAM, "somebody else", 0) == "water"


def test_a_member_who_is_replaced_is_not_the_next_one() -> None:
    override = duty_override("roads", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    plan = plan_with_calendar("", override)
    during, after = at("2026-01-10T00:00:00Z"), at("2026-02-01T00:00:00Z")
    assert on_call(plan, TEAM, during) == "roads"
    assert [next_on_call(plan, TEAM, "roads", during, n) for n in (1, 2)] == ["lead", "lead"]
    assert next_on_call(plan, TEAM, "roads", after, 2) == "water"


def test_a_replaced_member_is_asked_when_there_is_nobody_else() -> None:
    team = DutyTeam(id="two", name="Two", members=("water", "roads"))
    override = replace(duty_override("roads", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), team="two")
    plan = DutyPlan(contacts=(WATER, ROADS), teams=(team,), overrides=(override,))
    assert next_on_call(plan, "two", "roads", at("2026-01-10T00:00:00Z")) == "water"


def test_a_team_of_one_has_no_next_member() -> None:
    plan = DutyPlan(contacts=(WATER,), teams=(DutyTeam(id="one", name="One", members=("water",)),))
    assert next_on_call(plan, "one", "water", 0) is None


def test_an_unknown_team_raises_an_error() -> None:
    with pytest.raises(KeyError):
        on_call(plan_with_calendar(""), "nobody", 0)


def test_contacts_are_named_by_id_name_or_address() -> None:
    for line in ("SUMMARY:Roads", f"SUMMARY:{ROADS.name}", "ATTENDEE;CN=?:mailto:roads", "ATTENDEE:roads"):
        event = ("UID:1", "DTSTART:20260101T000000Z", "DTEND:20260102T000000Z", line)
        assert on_call(plan_with_calendar(calendar_text(event)), TEAM, at("2026-01-01T12:00:00Z")) == ROADS.id
    assert LEAD.id != ROADS.id
