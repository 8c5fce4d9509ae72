"""The points of derived series over a span of stored history, by the code of the stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twin.indicators.indicator import Indicator, IndicatorValue, InputValue
from twin.instant import Duration, Instant
from twin.state.derived_points import RequiredInputs, ValueAt, instant_point, reach_of, windowed_point


@dataclass(frozen=True, slots=True)
class StoredInputs:
    """The stored inputs of the derived values of an entity, from early enough on."""

    #: by property and size, the entity's value in each window by its start
    windows: Mapping[tuple[str, Duration], Mapping[Instant, InputValue]] = field(default_factory=dict)
    #: by property, the published sums of households by the start of their window
    sums: Mapping[str, Mapping[Instant, InputValue]] = field(default_factory=dict)
    values: Mapping[str, Sequence[InputValue]] = field(default_factory=dict)  #: by property, ascending


def look_back(required: RequiredInputs, indicators: Iterable[Indicator]) -> Duration:
    """Return how long before a point its inputs may be."""
    found = [0]
    for indicator in indicators:
        size = required.sizes[indicator.name]
        found.append(reach_of(indicator, size) + size if size else 0)
        found += required.reach.get(indicator.name, {}).values()
    return max(found)


def points_in(
    indicator: Indicator,
    required: RequiredInputs,
    inputs: StoredInputs,
    attributes: Mapping[str, Any],
    span: tuple[Instant, Instant],
) -> dict[Instant, IndicatorValue]:
    """Return the points of an indicator by their phenomenon time, in a half-open span."""
    size = required.sizes[indicator.name]
    used = [one.property for one in indicator.inputs if one.property in required.observed]
    found: dict[Instant, IndicatorValue] = {}
    if not size:
        reach = required.reach[indicator.name]
        values = {property: inputs.values.get(property, ()) for property in used}
        times = {one.time for series in values.values() for one in series if span[0] <= one.time < span[1]}
        for time in sorted(times):
            value = instant_point(indicator, time, values, reach, attributes)
            if value is not None:
                found[time] = value
        return found
    windows: dict[str, ValueAt] = {}
    starts: set[Instant] = set()
    for property in used:
        by_start = inputs.sums.get(property, inputs.windows.get((property, size), {}))
        windows[property] = by_start.get
        starts.update(start for start in by_start if span[0] <= start + size < span[1])
    for start in sorted(starts):
        value = windowed_point(indicator, size, start, windows, attributes)
        if value is not None:
            found[start + size] = value
    return found
