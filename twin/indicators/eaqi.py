"""EAQI: the European air-quality index, 1 (good) to 6 (extremely poor), as in force since 2024.

Source: European Environment Agency, airindex.eea.europa.eu, bands of ETC-HE report 2024/17, as listed in
TheDave94/airwatch. All bands are of hourly means. The classic set, which some public services still return,
uses 24-hour means of particulate matter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from twin.indicators.lki import MEAN_DIGITS

# Upper edges of the levels 1 to 5, in µg/m3; values above the last edge have level 6.
EDGES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "pm2_5": (5, 15, 50, 90, 140),
        "pm10": (15, 45, 120, 195, 270),
        "no2": (10, 25, 60, 100, 150),
        "o3": (60, 100, 120, 160, 180),
        "so2": (20, 40, 125, 190, 275),
    }
)


class Eaqi(NamedTuple):
    """The index of one hour."""

    level: int  #: 1 to 6
    pollutants: tuple[str, ...]  #: those with that level, in the order of `EDGES`


def sub_level(pollutant: str, concentration: float) -> int:
    """Return the level, 1 to 6, of one hourly mean in µg/m3; an edge belongs to the better level.

    Raises KeyError for another pollutant.

    >>> sub_level("pm2_5", 5), sub_level("pm2_5", 5.1), sub_level("o3", -2), sub_level("so2", 276)
    (1, 2, 1, 6)
    >>> sub_level("pm2_5", 5.000000000000001)
    1
    """
    return bisect_left(EDGES[pollutant], round(concentration, MEAN_DIGITS)) + 1


def eaqi(hourly_means: Mapping[str, float]) -> Eaqi:
    """Return the worst level of the hourly means (µg/m3) of at least one pollutant in `EDGES`.

    The agency publishes the index only for stations that measure certain sets of pollutants; here the result
    names the pollutants that decide it. Raises ValueError if no pollutant of the index is given.
    """
    levels = {name: sub_level(name, hourly_means[name]) for name in EDGES if name in hourly_means}
    if not levels:
        raise ValueError(
            f"no pollutant of the EAQI among {sorted(hourly_means)}, expected any of {sorted(EDGES)}"
        )
    worst = max(levels.values())
    return Eaqi(worst, tuple(name for name, level in levels.items() if level == worst))
