"""Laws of rosters: shifts cover a time exactly, and each has the person on call at every instant in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from alerting.policy.roster import duty_shifts, on_call
from tests.support.cities.rosters import ZONE, at, calendar_text, plan_with_calendar
from twin.instant import DAY, HOUR, Instant, from_datetime
from twin.model.duty import DutyOverride

# Four weeks around the last Sunday of March, when the clock is put forward.
START, END = at("2026-03-15T00:00:00Z"), at("2026-04-12T00:00:00Z")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")

contacts = st.sampled_from(["water", "roads", "lead"])
# first day, hour, days between occurrences, how many, hours long, who
series = st.tuples(
    st.integers(0, 60),
    st.integers(0, 23),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 200),
    contacts,
)
overrides = st.builds(
    lambda contact, first, hours: DutyOverride(
        id="",
        team="operations",
        contact=contact,
        start=START + first * HOUR,
        end=START + (first + hours) * HOUR,
    ),
    contacts,
    st.integers(-48, 28 * 24),
    st.integers(1, 100),
)

Series = tuple[int, int, int, int, int, str]


def _first(one: Series) -> datetime:
    return datetime(2026, 2, 1, tzinfo=AMSTERDAM) + timedelta(days=one[0], hours=one[1])


def _event(number: int, one: Series) -> tuple[str, ...]:
    start, (_, _, days, count, hours, contact) = _first(one), one
    # Written as local times: a length that is counted in them does not change with the clock.
    end = start + timedelta(hours=hours)
    return (
        f"UID:{number}", f"DTSTART;{ZONE}:{start:%Y%m%dT%H%M%S}", f"DTEND;{ZONE}:{end:%Y%m%dT%H%M%S}",
        f"RRULE:FREQ=DAILY;INTERVAL={days};COUNT={count}", f"SUMMARY:{contact}",
    )  # fmt: skip


def _expected(some: list[Series], made: list[DutyOverride], instant: Instant) -> str | None:
    """Return the person on call, computed one occurrence at a time."""
    for override in reversed(made):
        if override.start <= instant < override.end:
            return override.contact
    found = []
    for event in some:
        for n in range(event[3]):
            start = _first(event) + timedelta(days=n * event[2])
            first, last = from_datetime(start), from_datetime(start + timedelta(hours=event[4]))
            if first <= instant < last:
                found.append((-first, last, event[5]))
    return min(found)[2] if found else None


@given(
    st.lists(series, min_size=1, max_size=4),
    st.lists(overrides, max_size=3),
    st.lists(st.integers(0, 28 * 24)),
)
def test_shifts_cover_a_time_exactly_and_agree_with_the_person_on_call(
    some: list[Series], made: list[DutyOverride], hours: list[int]
) -> None:
    plan = plan_with_calendar(calendar_text(*(_event(number, one) for number, one in enumerate(some))), *made)
    found = duty_shifts(plan, "operations", START, END)
    assert (found[0].start, found[-1].end) == (START, END)
    for shift, other in pairwise(found):
        assert shift.start < shift.end == other.start
        assert (shift.contact, shift.source) != (other.contact, other.source)
    edges = [edge for one in found for edge in (one.start, one.end - 1)]
    for instant in (*edges, *(START + hour * HOUR for hour in hours if hour < (END - START) // HOUR)):
        shift = next(one for one in found if one.start <= instant < one.end)
        assert on_call(plan, "operations", instant) == shift.contact == _expected(some, made, instant)


@given(st.lists(series, min_size=1, max_size=3), st.integers(1, 27))
def test_shifts_of_two_halves_are_those_of_the_whole(some: list[Series], day: int) -> None:
    plan = plan_with_calendar(calendar_text(*(_event(number, one) for number, one in enumerate(some))))
    middle = START + day * DAY
    whole = duty_shifts(plan, "operations", START, END)
    halves = (*duty_shifts(plan, "operations", START, middle), *duty_shifts(plan, "operations", middle, END))
    cut = [
        part
        for shift in whole
        for part in (
            [shift._replace(end=middle), shift._replace(start=middle)]
            if shift.start < middle < shift.end
            else [shift]
        )
    ]
    assert list(halves) == cut
