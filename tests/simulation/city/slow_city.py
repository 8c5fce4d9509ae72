"""A city whose sensors report each quarter of an hour or each hour, for days: running means, areas of areas,
and properties whose rules for stuck values and spikes apply within a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.simulation.city.signals import Signal, count, plateaus, walk
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Condition, Level, NOfM, QualityRank, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, Duration
from twin.model.entity import Entity
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Theme
from twin.quality.quality_rules import SpikeRule, StuckRule


class SlowKind(NamedTuple):
    """A kind of sensor: where it may be, and its signals by property."""

    entities: tuple[str, ...]
    signals: Mapping[str, Callable[[Random], Signal]]


AIR: Mapping[str, SlowKind] = MappingProxyType(
    {
        "dust": SlowKind(
            ("town.east.north.air", "town.east.south.air", "town.west.air", "town.east.south"),
            {"pm2_5": lambda dice: plateaus(dice, 12.0, 0.8, 1)},
        ),
        "gases": SlowKind(
            ("town.east.north.air", "town.west.air"),
            {
                "no2": lambda dice: plateaus(dice, 20.0, 2.0, 1),
                "o3": lambda dice: walk(dice, 55.0, 4.0, 1),
                "pm10": lambda dice: walk(dice, 21.0, 2.0, 1),
            },
        ),
    }
)
"""Sensors that report each hour."""

QUARTERS: Mapping[str, SlowKind] = MappingProxyType(
    {
        "level": SlowKind(("town.canal",), {"water_level": lambda dice: plateaus(dice, -0.6, 0.01, 3)}),
        "power": SlowKind(
            ("town.east.north.substation", "town.east.south.substation", "town.west.substation"),
            {"power_import": lambda dice: walk(dice, 300.0, 15.0, 1)},
        ),
        "count": SlowKind(("town.west.road",), {"vehicle_count": lambda dice: count(dice, 400)}),
        "speed": SlowKind(("town.west.road",), {"vehicle_speed": lambda dice: walk(dice, 40.0, 6.0, 0)}),
        "weather": SlowKind(
            ("town.east.north.mast", "town.west.mast"),
            {"air_temperature": lambda dice: plateaus(dice, 9.0, 0.3, 1)},
        ),
    }
)
"""Sensors that report each quarter of an hour, or oftener."""

SLOW_POSTS = (
    "town.east.north.mast",
    "town.east.north.air",
    "town.east.south",
    "town.west.mast",
    "town.canal",
)
"""Entities that may have a thermometer, to be compared with its neighbours."""


def slow_entities() -> tuple[Entity, ...]:
    """Return the entities: a municipality, a district with two neighbourhoods, and one without a district."""

    def entity(id: str, type: str, **attributes: object) -> Entity:
        parent = id.rpartition(".")[0] or None
        return Entity(id=id, type=type, name=id, parent=parent, attributes=attributes)

    return (
        entity("town", "Municipality"),
        entity("town.east", "District"),
        entity("town.east.north", "Neighbourhood"),
        entity("town.east.south", "Neighbourhood"),
        entity("town.west", "Neighbourhood"),
        entity("town.east.north.air", "AirQualityStation"),
        entity("town.east.south.air", "AirQualityStation"),
        entity("town.west.air", "AirQualityStation"),
        entity("town.east.north.substation", "Transformer", ratedPower={"kVA": 400}),
        entity("town.east.south.substation", "Transformer", ratedPower={"kVA": 400}),
        entity("town.west.substation", "Transformer", ratedPower={"kVA": 630}),
        entity("town.east.north.mast", "WeatherStation"),
        entity("town.west.mast", "WeatherStation"),
        entity("town.west.road", "Road", lanes=1, capacity=1600, freeFlowSpeed=50.0),
        entity("town.canal", "Waterway", targetLevel=-0.6, dangerLevel=-0.2),
    )


def slow_properties() -> Mapping[str, ObservedProperty]:
    """Return the properties, with rules for stuck values that apply after some hours, and for spikes."""

    def stuck(name: str, number: int, duration: Duration, **rules: Any) -> ObservedProperty:
        property = BUILT_IN_PROPERTIES[name]
        rule = StuckRule(count=number, duration_min=duration)
        return replace(property, quality=replace(property.quality, stuck=rule, **rules))

    changed = (
        stuck("pm2_5", 5, 4 * HOUR),
        stuck("no2", 6, 5 * HOUR, spike=SpikeRule(deviation_min=30)),
        stuck("water_level", 8, HOUR, null_values=None),
        stuck("air_temperature", 6, HOUR),
    )
    return {**BUILT_IN_PROPERTIES, **{one.name: one for one in changed}}


def slow_conditions(dice: Random) -> Mapping[str, tuple[Theme, Condition]]:
    """Return conditions on indicators, running means, closed windows and values of areas."""
    return {
        "dust-day": ("environment", _above("pm2_5_24h", dice.uniform(10.0, 14.0), 0.5)),
        "dust-area": ("environment", _above("area_pm2_5", dice.uniform(11.0, 14.0), 1.0)),
        "dust-area-day": ("environment", _above("area_pm2_5_24h", dice.uniform(10.0, 13.0), 0.0)),
        "dust-hour": ("environment", _above("pm2_5", 13.0, 2.0, over="hour")),
        "dust-twice": ("environment", _above("pm2_5", 13.0, 2.0, times=NOfM(2, 4))),
        "dust-quality": ("device", _above("pm2_5", 3.0, 0.0, transform=QualityRank())),
        "index": ("environment", _above("lki", float(dice.choice((3, 4))), 0.0, times=NOfM(2, 3))),
        "index-area": ("environment", _above("area_lki", float(dice.choice((3, 4))), 0.0)),
        "deviation": ("water", _above("level_deviation", 0.03, 0.02)),
        "rise": ("water", _above("rate_of_rise", 0.03, 0.02)),
        "load": ("energy", _above("transformer_load", dice.uniform(70.0, 85.0), 5.0)),
        "load-area": ("energy", _above("area_transformer_load", 80.0, 2.0)),
        "power-area": ("energy", _above("area_power_import", dice.uniform(280.0, 620.0), 10.0)),
        "service": ("mobility", _above("level_of_service", 3.0, 0.0)),
        "warm-area": ("climate", _above("area_air_temperature", 9.5, 0.5)),
    }


def slow_interval(dice: Random, kind: str) -> Duration:
    """Return the interval of a sensor."""
    return HOUR if kind in AIR else dice.choice((10 * MINUTE, 15 * MINUTE, 15 * MINUTE))


def _above(name: str, raised: float, band: float, **changes: object) -> ThresholdCondition:
    over = changes.pop("over", "instant")
    return ThresholdCondition(
        operand=Operand(name, over),  # type: ignore[arg-type]
        direction="above",
        levels=(Level(Severity.MAJOR, raised, raised - band),),
        **changes,  # type: ignore[arg-type]
    )
