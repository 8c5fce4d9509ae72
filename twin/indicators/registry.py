"""All indicators, by name and by what feeds them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.indicators.air_indicators import AIR
from twin.indicators.grid_indicators import GRID
from twin.indicators.indicator import Indicator, by_name
from twin.indicators.traffic_indicators import TRAFFIC
from twin.indicators.water_indicators import WATER

REGISTRY: Mapping[str, Indicator] = MappingProxyType(by_name((*AIR, *TRAFFIC, *WATER, *GRID)))
