"""Names of values: observed properties, indicators, and roll-ups of either over an area."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.indicators.indicator import Averaging
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE, Duration
from twin.model.city_model import CityModel
from twin.model.observed_property import Aggregation, RollUp, Theme

_WINDOWS: dict[Averaging, Duration] = {"instant": 0, "ten_minutes": 10 * MINUTE, "hour": HOUR, "day": HOUR}


class ValueName(NamedTuple):
    """What a name stands for."""

    name: str
    base: str  #: the property or indicator; of a roll-up, what is rolled up
    unit: str  #: UCUM
    theme: Theme
    aggregation: Aggregation  #: over time
    observed: bool  #: whether it is an observed property of the city
    rolled_up: bool


def resolve_name(name: str, model: CityModel) -> ValueName | None:
    """Return what a name stands for in a city, or None when it stands for nothing."""
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
    found = resolve_name(base, model)
    if found is None or found.rolled_up:
        return None
    # A series of published values: of a counter, too, it is a plain number at each time.
    aggregation: Aggregation = "circular_mean" if found.aggregation == "circular_mean" else "mean"
    return found._replace(name=name, aggregation=aggregation, observed=False, rolled_up=True)


def all_value_names(model: CityModel) -> Iterator[ValueName]:
    """Yield everything that can have a value in a city."""
    for base in (*model.properties, *(one for one in REGISTRY if one not in model.properties)):
        for name in (base, AREA_PREFIX + base):
            found = resolve_name(name, model)
            if found is not None:
                yield found


def averaging_window(averaging: Averaging) -> Duration:
    """Return the length of the window that an indicator's input is averaged over; 0 for none.

    A mean of a day is one of its hours.
    """
    return _WINDOWS[averaging]


def typical_interval(entity: str, what: ValueName, model: CityModel) -> Duration | None:
    """Return how often a value is made anew by the sensors behind it; None where there are none.

    The shortest interval of a datastream that can change it, or the window that an indicator is made of where
    that is longer. What an update says of itself goes before it.
    """
    window = 0
    properties = {what.base}
    indicator = REGISTRY.get(what.base)
    if indicator is not None and what.base not in model.properties:
        properties = {one.property for one in indicator.inputs}
        window = max(averaging_window(one.averaging) for one in indicator.inputs)
    places = model.within(entity) if what.rolled_up else (entity,)
    found = [
        one.interval for place in places for one in model.datastreams_of(place) if one.property in properties
    ]
    return max(window, min(found)) if found else None


AREA_PREFIX = "area_"
"""What the name of a rolled-up value begins with: `area_pm2_5` is the mean of `pm2_5` over the area."""


def roll_up_of(name: str, model: CityModel) -> RollUp:
    """Return how the values of a property or an indicator become one of an area."""
    property = model.properties.get(name)
    if property is not None:
        return property.roll_up
    indicator = REGISTRY.get(name)
    return indicator.roll_up if indicator is not None else "none"
