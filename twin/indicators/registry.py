"""All indicators, by name and by what feeds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from twin.indicators.air_indicators import AIR
from twin.indicators.grid_indicators import GRID
from twin.indicators.indicator import Averaging, Indicator, by_name
from twin.indicators.traffic_indicators import TRAFFIC
from twin.indicators.water_indicators import WATER

REGISTRY: Mapping[str, Indicator] = MappingProxyType(by_name((*AIR, *TRAFFIC, *WATER, *GRID)))


def _by_input() -> dict[tuple[str, Averaging], tuple[Indicator, ...]]:
    found: defaultdict[tuple[str, Averaging], list[Indicator]] = defaultdict(list)
    for indicator in REGISTRY.values():
        for one in indicator.inputs:
            found[one.property, one.averaging].append(indicator)
    return {key: tuple(value) for key, value in found.items()}


_FED = MappingProxyType(_by_input())


def fed_by(property: str, averaging: Averaging) -> tuple[Indicator, ...]:
    """Return the indicators that a new value of a property may change; empty for most.

    >>> [one.name for one in fed_by("vehicle_speed", "instant")]
    ['speed_ratio', 'level_of_service']
    """
    return _FED.get((property, averaging), ())
