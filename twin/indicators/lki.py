"""LKI: the Dutch air-quality index, 1 (good) to 11 (very bad), from hourly means.

Source: RIVM report 2014-0050. The table of edges agrees with two independent programs (teusH/MySense,
scripts/AirQualityIndex.py; R package con2lki 0.1.0, which also has the edges between 10 and 11). A
concentration on an edge has the lower index, as in MySense; con2lki assigns it to the higher index. For
measured concentrations this makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

CLASS_MIN = 1
CLASS_MAX = 11

# Upper edges of the indices 1 to 10, in µg/m3; values above the last edge have index 11.
EDGES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "pm2_5": (10, 15, 20, 30, 40, 50, 70, 90, 100, 140),
        "pm10": (10, 20, 30, 45, 60, 75, 100, 125, 150, 200),
        "no2": (10, 20, 30, 45, 60, 75, 100, 125, 150, 200),
        "o3": (15, 30, 40, 60, 80, 100, 140, 180, 200, 240),
    }
)


MEAN_DIGITS = 9
"""Decimals of a mean that is compared with an edge: the sum of doubles may miss it by the last digit."""


class Lki(NamedTuple):
    """The index of one hour."""

    value: float  #: interpolated, 0 to 11
    published: int  #: the class, 1 to 11
    pollutants: tuple[str, ...]  #: those with the highest class, in the order of `EDGES`


def sub_index(pollutant: str, concentration: float) -> float:
    """Return the interpolated index, 0 to 11, of one hourly mean in µg/m3.

    Negative hours, which reference monitors report and which are stored as they are, count as 0 here. Above
    the last edge the index is 11. Raises KeyError for another pollutant.

    >>> sub_index("o3", 124), sub_index("pm10", 45), sub_index("pm10", -3), sub_index("pm2_5", 500)
    (6.6, 4.0, 0.0, 11.0)
    >>> class_of(sub_index("pm10", 20.000000000000004)) == class_of(sub_index("pm10", 20.0))
    True
    """
    edges, concentration = EDGES[pollutant], round(concentration, MEAN_DIGITS)
    lower = 0.0
    for index, upper in enumerate(edges):
        if concentration <= upper:
            return index + max(0.0, concentration - lower) / (upper - lower)
        lower = upper
    return float(CLASS_MAX)


def class_of(value: float) -> int:
    """Return the published class of an interpolated index: rounded up, 1 to 11.

    >>> class_of(0.0), class_of(3.0), class_of(3.01), class_of(11.0)
    (1, 3, 4, 11)
    """
    return min(CLASS_MAX, max(CLASS_MIN, math.ceil(value)))


def lki(hourly_means: Mapping[str, float]) -> Lki:
    """Return the index from the hourly means (µg/m3) of at least one pollutant in `EDGES`.

    It is the highest sub-index. If two or more pollutants all have the same class, the total is one higher
    (luchtmeetnet.nl, "deze website"; con2lki); a single pollutant is not raised. No published source was
    found for stations that measure only some of the pollutants. Raises ValueError if no pollutant is given.
    """
    values = {name: sub_index(name, hourly_means[name]) for name in EDGES if name in hourly_means}
    if not values:
        raise ValueError(
            f"no pollutant of the LKI among {sorted(hourly_means)}, expected any of {sorted(EDGES)}"
        )
    classes = {name: class_of(value) for name, value in values.items()}
    value, index = max(values.values()), max(classes.values())
    worst = tuple(name for name, one in classes.items() if one == index)
    if len(worst) == len(classes) > 1:
        value, index = min(float(CLASS_MAX), value + 1), min(CLASS_MAX, index + 1)
    return Lki(value, index, worst)
