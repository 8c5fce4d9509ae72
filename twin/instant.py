"""Instants: integer microseconds since 1970-01-01T00:00:00 UTC.

The domain computes with integers, so that windows are half-open without rounding, and sums do not depend on
the order of additions. Aware datetimes appear only at the edges (wire, database, API).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

Instant: TypeAlias = int
"""Microseconds since the Unix epoch, UTC."""

Duration: TypeAlias = int
"""Microseconds."""

SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001 - only for formatting, with a Z appended
_MICROSECOND = timedelta(microseconds=1)

# RFC 3339 allows years 0000–9999; datetime starts at year 1.
INSTANT_MIN: Instant = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
INSTANT_MAX: Instant = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def from_datetime(moment: datetime) -> Instant:
    """Return the instant of an aware datetime; exact to the microsecond.

    Raises ValueError for a naive datetime: its time zone is not known.

    >>> from_datetime(datetime(2026, 1, 1, tzinfo=UTC))
    1767225600000000
    """
    if moment.tzinfo is None:
        raise ValueError(f"datetime {moment.isoformat()} has no time zone; an instant needs one")
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(instant: Instant) -> datetime:
    """Return the aware UTC datetime of an instant.

    >>> to_datetime(1767225600000000).isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=instant)


def parse_instant(text: str) -> Instant:
    """Return the instant of an RFC 3339 / ISO 8601 text with an offset.

    More than six decimals of a second, as The Things Stack sends them, are truncated to microseconds. Raises
    ValueError when the text is not a time, has no offset, or lies outside the years 1 to 9999 UTC, which
    cannot be formatted again.

    >>> parse_instant("2026-01-01T01:00:00.123456789+01:00")
    1767225600123456
    """
    instant = from_datetime(datetime.fromisoformat(text))
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise ValueError(f"{text} lies outside the years 1 to 9999 UTC")
    return instant


def format_instant(instant: Instant) -> str:
    """Return RFC 3339 in UTC with `Z`; decimals only when there are any.

    >>> format_instant(1767225600000000), format_instant(1767225600250000)
    ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.250000Z')
    """
    second, rest = divmod(instant, SECOND)
    text = _text_of(second)
    return f"{text}.{rest:06d}Z" if rest else text + "Z"


@lru_cache(maxsize=10_000)  # The times of a city's messages lie in few seconds; 100 bytes each.
def _text_of(second: int) -> str:
    return (_EPOCH_NAIVE + timedelta(seconds=second)).isoformat()
