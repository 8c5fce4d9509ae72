"""Names of values: observed properties, indicators, and roll-ups of either over an area."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.indicators.indicator import Averaging
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE, Duration
from twin.model.city_model import CityModel
from twin.model.observed_property import Aggregation, RollUp, Theme

AREA_PREFIX = "area_"
"""Prefix of the name of a rolled-up value: `area_pm2_5` is the mean of `pm2_5` over the area."""

_WINDOWS: dict[Averaging, Duration] = {"instant": 0, "ten_minutes": 10 * MINUTE, "hour": HOUR, "day": HOUR}


class ValueName(NamedTuple):
    """A name with the unit, theme and kind of the values that it names."""

    name: str
    base: str  #: the property or indicator; of a roll-up, what is rolled up
    unit: str  #: UCUM
    theme: Theme
    aggregation: Aggregation  #: over time
    observed: bool  #: whether it is an observed property of the city
    rolled_up: bool


def resolve_name(name: str, model: CityModel) -> ValueName | None:
    """Return what a name means in a city; None for an unknown name."""
    property = model.properties.get(name)
    if property is not None:
        return ValueName(
            name, name, property.unit, property.theme, property.aggregation, observed=True, rolled_up=False
        )
    indicator = REGISTRY.get(name)
    if indicator is not None:
        return ValueName(name, name, indicator.unit, indicator.theme, "mean", observed=False, rolled_up=False)
    base = name.removeprefix(AREA_PREFIX)
    if base == name or roll_up_of(base, model) == "none":
        return None
    resolved = resolve_name(base, model)
    if resolved is None or resolved.rolled_up:
        return None
    # A series of published values: even of a counter it is a plain number at each time.
    aggregation: Aggregation = "circular_mean" if resolved.aggregation == "circular_mean" else "mean"
    return resolved._replace(name=name, aggregation=aggregation, observed=False, rolled_up=True)


def all_value_names(model: CityModel) -> Iterator[ValueName]:
    """Yield every name that can have a value in a city."""
    for base in (*model.properties, *(one for one in REGISTRY if one not in model.properties)):
        for name in (base, AREA_PREFIX + base):
            resolved = resolve_name(name, model)
            if resolved is not None:
                yield resolved


def roll_up_of(name: str, model: CityModel) -> RollUp:
    """Return how the values of a property or indicator combine into one value of an area."""
    property = model.properties.get(name)
    if property is not None:
        return property.roll_up
    indicator = REGISTRY.get(name)
    return indicator.roll_up if indicator is not None else "none"


def averaging_window(averaging: Averaging) -> Duration:
    """Return the length of the window that an indicator's input is averaged over; 0 for none.

    A daily mean is computed from hourly windows.
    """
    return _WINDOWS[averaging]


def typical_interval(entity: str, what: ValueName, model: CityModel) -> Duration | None:
    """Return the time between two values, from the sensors behind them; None where there are no sensors.

    It is the shortest interval of a datastream that can change the value, or the window of the indicator
    where that is longer. An interval that an update states itself takes precedence.
    """
    window = 0
    properties = {what.base}
    indicator = REGISTRY.get(what.base)
    if indicator is not None and what.base not in model.properties:
        properties = {input.property for input in indicator.inputs}
        window = max(averaging_window(input.averaging) for input in indicator.inputs)
    entities = model.within(entity) if what.rolled_up else (entity,)
    intervals = [
        datastream.interval
        for id in entities
        for datastream in model.datastreams_of(id)
        if datastream.property in properties
    ]
    return max(window, min(intervals)) if intervals else None
