"""Exact ISO 8601 durations: weeks to seconds, without months and years, whose length varies."""

from __future__ import annotations

import re

from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration

_EXACT = re.compile(
    r"P(?=[\dT])(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,9})(?:[.,](?P<fraction>\d{1,6}))?S)?)?"
)
_MONTHS = re.compile(r"P(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T.*)?")


def parse_duration(text: str) -> Duration:
    """Return the duration of an ISO 8601 text. Raises ValueError.

    >>> parse_duration("PT10M") == 10 * MINUTE, parse_duration("PT2.5S")
    (True, 2500000)
    """
    match = _EXACT.fullmatch(text)
    if match is None:
        if len(text) > 1 and _MONTHS.fullmatch(text):
            raise ValueError("expected an exact duration such as PT10M: months and years differ in length")
        raise ValueError("expected an ISO 8601 duration such as PT10M, PT2.5S or P1D")
    parts = match.groupdict(default="0")
    return (
        int(parts["weeks"]) * 7 * DAY
        + int(parts["days"]) * DAY
        + int(parts["hours"]) * HOUR
        + int(parts["minutes"]) * MINUTE
        + int(parts["seconds"]) * SECOND
        + int(parts["fraction"].ljust(6, "0"))
    )


def format_duration(duration: Duration) -> str:
    """Return the ISO 8601 text of a duration of 0 or more; `parse_duration` inverts it exactly.

    >>> format_duration(10 * MINUTE), format_duration(90 * SECOND), format_duration(DAY), format_duration(0)
    ('PT10M', 'PT1M30S', 'P1D', 'PT0S')
    """
    days, rest = divmod(duration, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, fraction = divmod(rest, SECOND)
    decimals = f".{fraction:06}".rstrip("0") if fraction else ""
    date = f"{days}D" if days else ""
    time = (
        (f"{hours}H" if hours else "")
        + (f"{minutes}M" if minutes else "")
        + (f"{seconds}{decimals}S" if seconds or fraction else "")
    )
    return f"P{date}{'T' + time if time else ''}" if date or time else "PT0S"
