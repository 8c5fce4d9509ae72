"""The expansion of a recurrence equals a naive walk over the days, over both nights of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin.instant import DAY, HOUR, MINUTE, from_datetime
from twin.model.maintenance_window import MaintenanceSchedule
from twin.model.recurrence import Recurrence, RecurringPeriod, occurrences_between

ZONE = "Europe/Amsterdam"
LOCAL = ZoneInfo(ZONE)
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Some weeks around the night of 29 March and around that of 25 October 2026.
NIGHTS = (date(2026, 3, 29), date(2026, 10, 25))


def instant(wall: datetime) -> int:
    return from_datetime(wall.replace(tzinfo=LOCAL).astimezone(UTC))


def oracle(
    start: datetime,
    end: datetime,
    days: list[date],
    exdates: frozenset[date],
) -> list[tuple[int, int]]:
    """Return the occurrences that begin on some days."""
    found = []
    for day in days:
        if day in exdates:
            continue
        wall = datetime.combine(day, start.time())
        if wall == start:
            found.append((instant(start), instant(end)))
            continue
        begins, ends = instant(wall), instant(wall + (end - start))
        found.append((begins, ends if ends > begins else begins + instant(end) - instant(start)))
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[RecurringPeriod, list[tuple[int, int]]]:
    """Return a recurring period and its occurrences in the fifty days from its start on."""
    night = draw(st.sampled_from(NIGHTS))
    first = night - timedelta(days=draw(st.integers(0, 20)))
    # Not in the night of the clocks itself: there the period would have two lengths.
    first -= timedelta(days=first in NIGHTS)
    clock = time(draw(st.sampled_from([0, 1, 2, 3, 12, 22])), draw(st.sampled_from([0, 15, 30])))
    start = datetime.combine(first, clock)
    longest = 3 * 60 if first + timedelta(days=1) in NIGHTS else 20 * 60
    end = start + timedelta(minutes=draw(st.integers(1, longest)))
    if end.date() in NIGHTS:
        end = min(end, datetime.combine(end.date(), time(1)))
        if end <= start:
            end = start + timedelta(minutes=1)
    all_days = [first + timedelta(days=each) for each in range(50)]
    interval = draw(st.integers(1, 4))
    if draw(st.booleans()):
        rule = f"FREQ=DAILY;INTERVAL={interval}"
        days = all_days[::interval]
    else:
        chosen = draw(st.sets(st.sampled_from(WEEKDAYS))) | {WEEKDAYS[first.weekday()]}
        rule = f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={','.join(sorted(chosen))}"
        monday = first - timedelta(days=first.weekday())
        days = [
            day
            for day in all_days
            if WEEKDAYS[day.weekday()] in chosen and (day - monday).days // 7 % interval == 0
        ]
    kind = draw(st.sampled_from(["endless", "count", "date", "local", "utc"]))
    last = draw(st.sampled_from(all_days))
    match kind:
        case "count":
            count = draw(st.integers(1, 20))
            rule, days = f"{rule};COUNT={count}", days[:count]
        case "date":
            rule, days = f"{rule};UNTIL={last:%Y%m%d}", [day for day in days if day <= last]
        case "local":
            rule = f"{rule};UNTIL={last:%Y%m%d}T120000"
            limit = datetime.combine(last, time(12))
            days = [day for day in days if datetime.combine(day, clock) <= limit or day == first]
        case "utc":
            rule = f"{rule};UNTIL={last:%Y%m%d}T010000Z"
            moment = from_datetime(datetime.combine(last, time(1), tzinfo=UTC))
            days = [day for day in days if instant(datetime.combine(day, clock)) <= moment or day == first]
    exdates = draw(st.frozensets(st.sampled_from(all_days), max_size=3))
    recurrence = Recurrence(rule=rule, exdates=tuple(sorted(day.isoformat() for day in exdates)))
    period = RecurringPeriod(instant(start), instant(end), recurrence, ZONE)
    return period, sorted(oracle(start, end, days, exdates))


@given(cases())
@settings(max_examples=150, deadline=None)
def test_an_expansion_equals_a_walk_over_the_days(
    case: tuple[RecurringPeriod, list[tuple[int, int]]],
) -> None:
    period, wanted = case
    limit = period.start + 45 * DAY
    found = occurrences_between(period, period.start, limit)
    assert list(found) == [one for one in wanted if one[0] < limit]


@given(cases(), st.lists(st.integers(-2 * 24 * 60, 44 * 24 * 60), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_a_schedule_includes_the_times_of_its_occurrences_in_any_order(
    case: tuple[RecurringPeriod, list[tuple[int, int]]], minutes: list[int]
) -> None:
    period, wanted = case
    once = RecurringPeriod(period.start + 5 * DAY, period.start + 5 * DAY + HOUR)
    schedule = MaintenanceSchedule.of([period, once])
    edges = [edge + step for one in wanted for edge in one for step in (-1, 0)]
    for moment in [period.start + one * MINUTE for one in minutes] + edges:
        if moment < period.start + 44 * DAY:
            expected = any(start <= moment < end for start, end in [*wanted, (once.start, once.end)])
            assert schedule.includes(moment) == expected


@given(cases())
@settings(max_examples=50, deadline=None)
@example((RecurringPeriod(0, HOUR, Recurrence(rule="FREQ=DAILY;COUNT=2"), ZONE), []))
def test_between_two_changes_a_schedule_does_not_change(
    case: tuple[RecurringPeriod, list[tuple[int, int]]],
) -> None:
    period, _ = case
    schedule, moment = MaintenanceSchedule.of([period]), period.start - DAY
    for _ in range(12):
        following = min(schedule.changes_after(moment), default=moment)
        if following == moment:
            break
        assert following > moment
        middle = (moment + following) // 2
        assert schedule.includes(moment) == schedule.includes(middle) == schedule.includes(following - 1)
        moment = following
