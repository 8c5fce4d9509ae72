"""The local hour of day and week of an instant, the season, and the elevation of the sun."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import cos, pi, radians, sin
from typing import NamedTuple
from zoneinfo import ZoneInfo

from twin.instant import DAY, HOUR, Instant, to_datetime

# The epoch was a Thursday; three days earlier lies a Monday.
_MONDAY = 3 * DAY
_ZONE_HOURS_MAX = 4096


@lru_cache(maxsize=_ZONE_HOURS_MAX)
def _offset_of_hour(timezone: str, hour: int) -> int:
    offset = to_datetime(hour * HOUR).astimezone(ZoneInfo(timezone)).utcoffset()
    if offset is None:
        raise AssertionError("an aware datetime has an offset")
    return int(offset.total_seconds()) * 1_000_000


def utc_offset(timezone: str, instant: Instant) -> int:
    """Return the UTC offset of local time, in microseconds."""
    return _offset_of_hour(timezone, instant // HOUR)


def hour_of_week(timezone: str, instant: Instant) -> float:
    """Return the local hours since Monday 00:00, in [0, 168)."""
    local = instant + utc_offset(timezone, instant) + _MONDAY
    return (local % (7 * DAY)) / HOUR


def interpolate_profile(profile: Sequence[float], hour: float) -> float:
    """Return the value of a periodic profile at an hour, linear between its values at whole hours."""
    cell = int(hour)
    size = len(profile)
    left = profile[cell % size]
    return left + (profile[(cell + 1) % size] - left) * (hour - cell)


def year_phase(instant: Instant) -> float:
    """Return the phase of the date in the year, in radians; 0 at the northern winter solstice."""
    # Days since the solstice of 21 December 1969, in tropical years: no jump at New Year.
    return 2.0 * pi * ((instant / DAY + 10.5) / 365.2422)


class GeoPoint(NamedTuple):
    """A position on Earth in degrees."""

    longitude: float
    latitude: float


def sun_elevation_sine(place: GeoPoint, instant: Instant) -> float:
    """Return the sine of the sun's elevation; negative below the horizon.

    Declination after Cooper, The absorption of radiation in solar stills, Solar Energy 12 (1969); the
    equation of time is neglected, which shifts noon by at most a quarter of an hour.
    """
    declination = -radians(23.45) * cos(year_phase(instant))
    solar_hour = (instant % DAY) / HOUR + place.longitude / 15.0
    angle = radians(15.0 * (solar_hour - 12.0))
    latitude = radians(place.latitude)
    return sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(angle)
