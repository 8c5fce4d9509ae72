"""The values of a property of an entity at each time at which one of its datastreams was observed. Pure.

Each value combines the newest observations of all datastreams up to its time. So the series follows from the
set of observations, whatever their order of arrival. Datastreams with personal data are left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from twin.indicators.indicator import InputValue
from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.observation import BY_TIME, Observation
from twin.model.observed_property import ObservedProperty
from twin.state.combination import CombinationInput, combine

DatastreamSeries = tuple[Sequence[Observation], Duration]
"""Assessed observations of one datastream, ascending, and its interval."""


def property_values(
    property: ObservedProperty, parts: Mapping[int, DatastreamSeries], since: Instant = INSTANT_MIN
) -> list[InputValue]:
    """Return the values of a property from a time on, oldest first; `parts` holds its datastreams by id."""
    if len(parts) == 1:
        ((observations, _),) = parts.values()
        begin = bisect_left(observations, since, key=BY_TIME)
        return [InputValue(one.value, one.phenomenon_time, one.flags) for one in observations[begin:]]
    times = sorted(
        {
            one.phenomenon_time
            for observations, _ in parts.values()
            for one in observations[bisect_left(observations, since, key=BY_TIME) :]
        }
    )
    values = []
    for time in times:
        inputs = []
        for id in sorted(parts):
            observations, interval = parts[id]
            end = bisect_right(observations, time, key=BY_TIME)
            if end:
                inputs.append(CombinationInput(observations[end - 1], None, interval))
        combined = combine(property, inputs)
        values.append(InputValue(combined.value, time, combined.flags, len(combined.datastreams)))
    return values
