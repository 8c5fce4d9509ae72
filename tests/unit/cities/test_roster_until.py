"""UNTIL of a roster's rule is inclusive, also where it is not written as the start of its event is."""

from __future__ import annotations

import pytest

from cities.duty.roster_calendar import roster_shifts
from tests.support.cities.rosters import ZONE, at, calendar_text

SPAN = at("2026-02-25T00:00:00Z"), at("2026-03-20T00:00:00Z")
HEAD = ("X-WR-TIMEZONE:Europe/Amsterdam",)


@pytest.mark.parametrize(
    ("start", "end", "until", "count"),
    [
        (f";{ZONE}:20260301T080000", f";{ZONE}:20260301T160000", "20260304T070000Z", 4),
        (f";{ZONE}:20260301T080000", f";{ZONE}:20260301T160000", "20260304", 4),
        # Local, although a time without a zone in an UNTIL is read as UTC by the library.
        (f";{ZONE}:20260301T080000", f";{ZONE}:20260301T160000", "20260304T080000", 4),
        (f";{ZONE}:20260301T080000", f";{ZONE}:20260301T160000", "20260304T073000", 3),
        (":20260301T080000Z", ":20260301T160000Z", "20260304", 4),
        (":20260301T080000", ":20260301T160000", "20260304", 4),
        (":20260301T080000", ":20260301T160000", "20260304T080000", 4),
        (":20260301T080000", ":20260301T160000", "20260304T070000Z", 4),
        (":20260301T080000", ":20260301T160000", "20260304T065959Z", 3),
        (";VALUE=DATE:20260301", ";VALUE=DATE:20260302", "20260304", 4),
        (";VALUE=DATE:20260301", ";VALUE=DATE:20260302", "20260304T000000", 4),
        (";VALUE=DATE:20260301", ";VALUE=DATE:20260302", "20260303T230000Z", 4),
    ],
)
def test_the_last_shift_is_the_one_that_until_names(start: str, end: str, until: str, count: int) -> None:
    event = ("UID:a", f"DTSTART{start}", f"DTEND{end}", f"RRULE:FREQ=DAILY;UNTIL={until}", "SUMMARY:water")
    assert len(roster_shifts(calendar_text(event, head=HEAD), *SPAN)) == count
