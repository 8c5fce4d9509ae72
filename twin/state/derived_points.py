"""The points of derived series: what an indicator is at one time, from values of its inputs. Pure.

An indicator of windows has a point for each window of its inputs, computed from that window and, for a
running mean, the windows before it. Any other indicator has a point at each time of one of its inputs,
computed from the newest values up to that time. A point exists only if the newest value that it uses is of
its time, so each point follows from the set of inputs: the stream and the repair of stored series share this
code.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from twin.indicators.indicator import Indicator, IndicatorValue, InputValue
from twin.indicators.registry import REGISTRY
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import averaging_window, kept_window
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.freshness import live_duration

INSTANT_PROPERTIES = frozenset(
    input.property for one in REGISTRY.values() for input in one.inputs if input.averaging == "instant"
)
"""The properties whose single values any indicator uses."""

BY_VALUE_TIME = attrgetter("time")

ValueAt: TypeAlias = Callable[[Instant], InputValue | None]
"""Returns the value of an input in the window of a start; None without one."""


class RequiredInputs(NamedTuple):
    """The inputs that an entity must remember for its indicators."""

    observed: frozenset[str]  #: the properties observed on the entity
    indicators: tuple[Indicator, ...]
    sizes: Mapping[str, Duration]  #: by indicator, the size of the windows of its inputs; 0: single values
    #: by indicator and property, for how long a single value counts
    reach: Mapping[str, Mapping[str, Duration]]
    instants: frozenset[str]  #: the properties of which single values are used
    windows: frozenset[tuple[str, Duration]]  #: (property, size)

    def uses(self, property: str) -> bool:
        """Return whether an indicator is computed from a property."""
        return any(one.property == property for indicator in self.indicators for one in indicator.inputs)


def required_inputs(
    properties: Iterable[str],
    attributes: Mapping[str, Any],
    windows: Iterable[tuple[str, Duration]] = (),
    intervals: Mapping[str, Duration] = MappingProxyType({}),
) -> RequiredInputs:
    """Return the inputs that an entity with these observed properties and attributes must remember.

    `windows` are those that rules need besides: property and size. `intervals` holds the longest interval of
    the datastreams of each property.
    """
    observed = frozenset(properties)
    indicators = tuple(one for one in REGISTRY.values() if one.applies_to(observed, attributes))
    sizes = {one.name: indicator_window(one, intervals) for one in indicators}
    reach = {one.name: _reach(one, observed, intervals) for one in indicators if not sizes[one.name]}
    averaged = {
        (input.property, sizes[indicator.name])
        for indicator in indicators
        for input in indicator.inputs
        if sizes[indicator.name] and input.property in observed
    }
    rules = {one for one in windows if one[0] in observed}
    instants = frozenset(property for by_property in reach.values() for property in by_property)
    return RequiredInputs(observed, indicators, sizes, reach, instants, frozenset(averaged | rules))


def _reach(
    indicator: Indicator, observed: frozenset[str], intervals: Mapping[str, Duration]
) -> dict[str, Duration]:
    """Return for how long single values of the inputs count.

    Beside values of other inputs, a value counts at their times while it is live.
    """
    inputs = [one for one in indicator.inputs if one.property in observed]
    return {
        one.property: max(
            one.history, live_duration(intervals.get(one.property, 0)) if len(inputs) > 1 else 0
        )
        for one in inputs
    }


def entity_inputs(
    entity: str, model: CityModel, windows: Iterable[tuple[str, Duration]] = ()
) -> RequiredInputs:
    """Return what `required_inputs` returns for an entity of a model."""
    found = model.entities.get(entity)
    attributes = found.attributes if found is not None else {}
    intervals = property_intervals(entity, model)
    return required_inputs(intervals, attributes, windows, intervals)


def property_intervals(entity: str, model: CityModel) -> dict[str, Duration]:
    """Return the longest interval of the datastreams of each property of an entity.

    That of a property of households is the window of their sums.
    """
    intervals: dict[str, Duration] = {}
    for datastream in model.datastreams_of(entity):
        personal = datastream.property in model.properties and model.policy_of(datastream).personal
        interval = HOUSEHOLD_WINDOW if personal else datastream.interval
        intervals[datastream.property] = max(interval, intervals.get(datastream.property, 0))
    return intervals


def indicator_window(indicator: Indicator, intervals: Mapping[str, Duration]) -> Duration:
    """Return the size of the windows that an indicator uses of its inputs; 0: single values.

    All of its inputs use windows of one size: the smallest that every datastream of them keeps, and not
    smaller than the indicator asks for. `intervals` holds the interval of each property that the entity has.
    """
    return max(
        kept_window(averaging_window(one.averaging), intervals.get(one.property, 0))
        for one in indicator.inputs
    )


def derived_interval(name: str, entity: str, model: CityModel) -> Duration:
    """Return the time between two derived values of an entity; 0: that of the values it is derived from."""
    indicator = REGISTRY.get(name)
    if indicator is None:
        return HOUSEHOLD_WINDOW  # a sum of households
    return indicator_window(indicator, property_intervals(entity, model))


@lru_cache(maxsize=256)
def is_windowed(name: str) -> bool:
    """Return whether a derived value is computed from closed windows, and dated to their end."""
    return name in REGISTRY and indicator_window(REGISTRY[name], {}) > 0


def reach_of(indicator: Indicator, size: Duration) -> Duration:
    """Return for how long after its start a window counts in the points of an indicator of windows."""
    return max(size, *(one.history for one in indicator.inputs))


def windowed_point(
    indicator: Indicator,
    size: Duration,
    start: Instant,
    values: Mapping[str, ValueAt],
    attributes: Mapping[str, Any],
) -> IndicatorValue | None:
    """Return the point of the window that starts at `start`; None without one.

    `values` returns the value of each observed input by the start of its window, for the last `reach_of`.
    """
    inputs: dict[str, Sequence[InputValue]] = {}
    for one in indicator.inputs:
        value_at = values.get(one.property)
        if value_at is None:
            continue
        if one.history <= size:
            value = value_at(start)
            inputs[one.property] = () if value is None else (value,)
        else:
            starts = range(start - one.history + size, start + 1, size)
            inputs[one.property] = [value for value in map(value_at, starts) if value is not None]
    return _newest_of(indicator, inputs, start, attributes)


def instant_point(
    indicator: Indicator,
    time: Instant,
    values: Mapping[str, Sequence[InputValue]],
    reach: Mapping[str, Duration],
    attributes: Mapping[str, Any],
) -> IndicatorValue | None:
    """Return the point of a time of one of the inputs; None without one.

    `values` holds the values of each observed input, ascending; `reach` for how long they count.
    """
    inputs: dict[str, Sequence[InputValue]] = {}
    for one in indicator.inputs:
        known = values.get(one.property)
        if known is None:
            continue
        end = bisect_right(known, time, key=BY_VALUE_TIME)
        begin = bisect_left(known, time - reach[one.property], hi=end, key=BY_VALUE_TIME)
        inputs[one.property] = known[begin:end]
    return _newest_of(indicator, inputs, time, attributes)


def _newest_of(
    indicator: Indicator,
    inputs: Mapping[str, Sequence[InputValue]],
    time: Instant,
    attributes: Mapping[str, Any],
) -> IndicatorValue | None:
    if not any(inputs.values()):
        return None
    value = indicator.evaluate(inputs, attributes)
    return value if value is not None and value.time == time else None
