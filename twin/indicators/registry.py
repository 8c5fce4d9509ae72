"""All indicators, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.indicators.air import AIR
from twin.indicators.grid import GRID
from twin.indicators.indicator import Indicator, by_name
from twin.indicators.traffic import TRAFFIC
from twin.indicators.water import WATER

REGISTRY: Mapping[str, Indicator] = MappingProxyType(by_name((*AIR, *TRAFFIC, *WATER, *GRID)))
