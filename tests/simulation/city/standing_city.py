"""A city whose sensors report each minute, and one value for hours: runs of equal values that are longer than
what the stream keeps of a datastream, and stuck by their number or by their duration only when they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType

from tests.simulation.city.signals import Signal, standstills
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Condition, Level, QualityRank, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import MINUTE
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Theme
from twin.quality.quality_rules import StuckRule
from twin.state.datastream_state import RECENT_MAX

STANDING: Mapping[str, Mapping[str, Callable[[Random], Signal]]] = MappingProxyType(
    {
        "humid": {"relative_humidity": lambda dice: standstills(dice, 70.0, 1.5, 1)},
        "pressure": {"air_pressure": lambda dice: standstills(dice, 1012.0, 0.4, 1)},
    }
)
"""The signals of each kind of sensor, by property."""


def standing_properties(dice: Random) -> Mapping[str, ObservedProperty]:
    """Return the properties: one is stuck by the number of equal values, the other by their duration."""
    beyond_memory = RECENT_MAX + dice.randint(4, 32)
    return {
        **BUILT_IN_PROPERTIES,
        "relative_humidity": _stuck("relative_humidity", StuckRule(count=beyond_memory, duration_min=MINUTE)),
        "air_pressure": _stuck("air_pressure", StuckRule(count=5, duration_min=beyond_memory * MINUTE)),
    }


def _stuck(name: str, rule: StuckRule) -> ObservedProperty:
    property = BUILT_IN_PROPERTIES[name]
    return replace(property, quality=replace(property.quality, stuck=rule))


def standing_conditions() -> Mapping[str, tuple[Theme, Condition]]:
    """Return conditions on the quality of values, and on means that a stuck value must not enter."""
    return {
        "humid-quality": ("device", _above("relative_humidity", 3.0, transform=QualityRank())),
        "pressure-quality": ("device", _above("air_pressure", 3.0, transform=QualityRank())),
        "humid": ("climate", _above("relative_humidity", 70.0, over="ten_minutes")),
        "humid-area": ("climate", _above("area_relative_humidity", 70.0)),
    }


def _above(name: str, raised: float, **changes: object) -> ThresholdCondition:
    over = changes.pop("over", "instant")
    return ThresholdCondition(
        operand=Operand(name, over),  # type: ignore[arg-type]
        direction="above",
        levels=(Level(Severity.MAJOR, raised, raised),),
        **changes,  # type: ignore[arg-type]
    )
