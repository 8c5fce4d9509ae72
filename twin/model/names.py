"""Names of values: observed properties, indicators, and roll-ups of either over an area."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.indicators.indicator import Averaging
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.datastream_policy import WINDOW_SIZES, window_sizes_for
from twin.model.observed_property import Aggregation, RollUp, Theme
from twin.privacy.household_sum import HOUSEHOLD_WINDOW

AREA_PREFIX = "area_"
"""Prefix of the name of a rolled-up value: `area_pm2_5` is the mean of `pm2_5` over the area."""

COVERAGE_SUM_MIN = 0.75
COVERAGE_MIN = 0.5
"""Least share of the entities of an area behind a good value, where the property states none.

A sum lacks what is missing, while a mean of half of the sensors is still a mean. Of windows 75 % must be
measured (2008/50/EC, annex VII); for areas no published source was found.
"""

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


def coverage_min_of(name: str, model: CityModel) -> float:
    """Return the least share of the entities of an area without which its value is incomplete."""
    property = model.properties.get(name)
    if property is not None and property.coverage_min is not None:
        return property.coverage_min
    return COVERAGE_SUM_MIN if roll_up_of(name, model) == "sum" else COVERAGE_MIN


def series_interval(name: str, model: CityModel) -> Duration:
    """Return the length of the slots in which the values of a property or indicator are rolled up.

    It is the shortest kept window in which each datastream behind the name reports, and for an indicator its
    window where that is longer; at most an hour. It is the same in every area, so that areas add up.
    """
    known = model.series_intervals.get(name)
    if known is None:
        known = model.series_intervals[name] = _series_interval(name, model)
    return known


def _series_interval(name: str, model: CityModel) -> Duration:
    indicator = REGISTRY.get(name)
    if indicator is None or name in model.properties:
        properties, least = {name}, MINUTE
    else:
        properties = {input.property for input in indicator.inputs}
        least = max(averaging_window(input.averaging) for input in indicator.inputs)
    for datastream in model.datastreams.values():
        if datastream.property in properties:
            personal = model.policy_of(datastream).personal
            least = max(least, HOUSEHOLD_WINDOW if personal else datastream.interval)
    return next((size for size in WINDOW_SIZES if size >= least), HOUR)


def slot_of(time: Instant, size: Duration, *, windowed: bool) -> Instant:
    """Return the start of the slot of a value; one of a window is dated to its end and belongs before it.

    >>> [slot_of(time, 60, windowed=windowed) for time in (60, 61) for windowed in (False, True)]
    [60, 0, 60, 60]
    """
    moment = time - windowed
    return moment - moment % size


def averaging_window(averaging: Averaging) -> Duration:
    """Return the length of the window that an indicator's input is averaged over; 0 for none.

    A daily mean is computed from hourly windows.
    """
    return _WINDOWS[averaging]


def kept_window(wanted: Duration, interval: Duration) -> Duration:
    """Return the smallest window of at least a size that a sensor of this interval keeps; 0 for none wanted.

    >>> kept_window(10 * MINUTE, MINUTE) // MINUTE, kept_window(10 * MINUTE, 15 * MINUTE) // MINUTE
    (10, 60)
    """
    if not wanted:
        return 0
    return min((size for size in window_sizes_for(interval) if size >= wanted), default=wanted)


def typical_interval(entity: str, what: ValueName, model: CityModel) -> Duration | None:
    """Return the time between two values, from the sensors behind them; None where there are no sensors.

    It is the shortest interval of a datastream that can change the value, or the window of the indicator
    where that is longer; of a roll-up it is the slot of its series. An interval that an update states itself
    takes precedence.
    """
    window = 0
    properties = {what.base}
    indicator = REGISTRY.get(what.base)
    if indicator is not None and what.base not in model.properties:
        properties = {input.property for input in indicator.inputs}
        longest: dict[str, Duration] = {}
        for datastream in model.datastreams_of(entity):
            longest[datastream.property] = max(datastream.interval, longest.get(datastream.property, 0))
        window = max(
            kept_window(averaging_window(input.averaging), longest.get(input.property, 0))
            for input in indicator.inputs
        )
    entities = model.within(entity) if what.rolled_up else (entity,)
    intervals = [
        datastream.interval
        for id in entities
        for datastream in model.datastreams_of(id)
        if datastream.property in properties
    ]
    if not intervals:
        return None
    return series_interval(what.base, model) if what.rolled_up else max(window, min(intervals))
