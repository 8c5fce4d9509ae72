"""Times in payloads: RFC 3339 text, epoch numbers, and local times in the city's time zone.

A number is seconds, milliseconds, microseconds or nanoseconds since 1970, by its magnitude: the ranges do not
overlap between the years 1973 and 5138. An unreadable time is an error; the time of reception never replaces
it.
"""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from ingest.decoding import PayloadError
from ingest.formats.json_payload import short_repr
from twin.instant import INSTANT_MAX, INSTANT_MIN, MINUTE, SECOND, Duration, Instant, from_datetime
from twin.quality.plausibility import QuarantineReason

# How far the clock of a meter may be ahead of our clock.
_CLOCK_AHEAD_MAX: Duration = 5 * MINUTE

_SECONDS_MAX = 100_000_000_000  # the year 5138
_MILLISECONDS_MAX = _SECONDS_MAX * 1_000
_MICROSECONDS_MAX = _MILLISECONDS_MAX * 1_000


def instant_of(value: Any, where: str) -> Instant | None:
    """Return the instant of a JSON value, None for null.

    Raises PayloadError (TIME_INVALID) unless it is RFC 3339 text with an offset, or an epoch number.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _of_text(value, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(value, where)
    return _of_number(value, where)


def aware_instant(moment: datetime) -> Instant:
    """Return the instant of an aware datetime; raise ValueError outside the years 1 to 9999 UTC.

    The offset may move a datetime out of the years that can be formatted.
    """
    instant = from_datetime(moment)
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise ValueError(f"{moment.isoformat()} lies outside the years 1 to 9999 UTC")
    return instant


def local_instant(local: datetime, timezone: str, received: Instant) -> Instant:
    """Return the instant of a local time without offset that was received at `received`.

    When clocks go back, one hour occurs twice. The later instant counts, unless it is after the reception:
    measurements are seconds to an hour old, and never from the future. (The instant nearest to the reception
    would date the 02:00 reading of a gas meter, received at 02:31, into the future.)
    Raises ValueError outside the years 1 to 9999 UTC.

    >>> from twin.instant import HOUR, format_instant
    >>> night = datetime(2026, 10, 25, 2, 30)
    >>> [format_instant(local_instant(night, "Europe/Amsterdam", 1_792_888_200_000_000 + n * HOUR))
    ...  for n in (0, 1)]
    ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z']
    """
    zone = _zone(timezone)
    # In the hour that spring skips, fold 1 is the earlier instant.
    early, late = sorted(aware_instant(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    return late if late <= received + _CLOCK_AHEAD_MAX else early


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _of_text(text: str, where: str) -> Instant:
    try:
        # RFC 3339 §5.6 allows a lower-case z.
        return aware_instant(datetime.fromisoformat(text[:-1] + "Z" if text.endswith("z") else text))
    except (ValueError, OverflowError) as error:
        raise _invalid(text, where) from error


def _of_number(value: float, where: str) -> Instant:
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid(value, where)
    size = abs(value)
    if size < _SECONDS_MAX:
        instant = round(value * SECOND)
    elif size < _MILLISECONDS_MAX:
        instant = round(value * 1_000)
    elif size < _MICROSECONDS_MAX:
        instant = round(value)
    else:
        instant = int(value) // 1_000
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise _invalid(value, where)
    return instant


def _invalid(value: object, where: str) -> PayloadError:
    return PayloadError(
        QuarantineReason.TIME_INVALID,
        f"{where} is {short_repr(value)}, expected a time such as 2026-01-01T12:00:00Z or seconds since 1970",
    )
