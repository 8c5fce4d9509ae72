"""The series of indicators, computed slowly from the whole set of observations.

An indicator over windows has a point for each window of its inputs that it can be computed for, from that
window and those before it; its windows are the smallest that all of its sensors keep, at least as long as it
asks for. Any other indicator has a point at each time of one of its inputs. From the product it uses the
formulas, and how several sensors combine; both have tests of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.simulation.oracles.property_oracle import ExpectedWindow, expected_windows
from twin.indicators.indicator import Indicator, InputValue
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.state.combination import CombinationInput, combine, combine_values
from twin.state.freshness import live_duration

SIZES = (MINUTE, 10 * MINUTE, HOUR)
WANTED: Mapping[str, Duration] = {"ten_minutes": 10 * MINUTE, "hour": HOUR, "day": HOUR}
COVERAGE_MIN = 0.75

Judged = Mapping[int, Sequence[Observation]]
Windows = Mapping[tuple[Duration, Instant], ExpectedWindow]


class ExpectedPoint(NamedTuple):
    """The value of an indicator at a time."""

    value: float
    flags: int


def expected_series(
    judged: dict[int, list[Observation]], model: CityModel
) -> dict[tuple[str, str, Instant], ExpectedPoint]:
    """Return the points of all indicators, by entity, name and phenomenon time."""
    found: dict[tuple[str, str, Instant], ExpectedPoint] = {}
    for entity in model.entities.values():
        datastreams = model.datastreams_of(entity.id)
        if any(model.policy_of(one).personal for one in datastreams):
            continue
        observed: defaultdict[str, list[Datastream]] = defaultdict(list)
        for datastream in datastreams:
            observed[datastream.property].append(datastream)
        for indicator in REGISTRY.values():
            if indicator.applies_to(set(observed), entity.attributes):
                inputs = {
                    one.property: observed[one.property]
                    for one in indicator.inputs
                    if one.property in observed
                }
                for time, point in _points(indicator, inputs, judged, model, entity.attributes):
                    found[entity.id, indicator.name, time] = point
    return found


def _points(
    indicator: Indicator,
    observed: Mapping[str, list[Datastream]],
    judged: dict[int, list[Observation]],
    model: CityModel,
    attributes: Mapping[str, object],
) -> Iterator[tuple[Instant, ExpectedPoint]]:
    size = max(_window_size(one.averaging, observed.get(one.property, [])) for one in indicator.inputs)
    values: dict[str, list[InputValue]] = {
        name: _windows_of(datastreams, judged, model, size)
        if size
        else _instants_of(datastreams, judged, model)
        for name, datastreams in observed.items()
    }
    for time in sorted({one.time for ones in values.values() for one in ones}):
        known = {name: [one for one in ones if one.time <= time] for name, ones in values.items()}
        if not size and len(observed) > 1:
            for name, datastreams in observed.items():
                live = live_duration(max(one.interval for one in datastreams))
                known[name] = [one for one in known[name] if one.time >= time - live]
        value = indicator.evaluate(known, attributes)
        if value is not None and value.time == time:
            yield time + size, ExpectedPoint(value.value, value.flags)


def _window_size(averaging: str, datastreams: Sequence[Datastream]) -> Duration:
    wanted = WANTED.get(averaging, 0)
    if not wanted:
        return 0
    longest = max((one.interval for one in datastreams), default=0)
    return min((size for size in SIZES if size >= wanted and size >= longest), default=HOUR)


def _instants_of(
    datastreams: Sequence[Datastream], judged: dict[int, list[Observation]], model: CityModel
) -> list[InputValue]:
    times = sorted({one.phenomenon_time for each in datastreams for one in judged.get(each.id, [])})
    values = []
    for time in times:
        parts = []
        for datastream in sorted(datastreams, key=lambda one: one.id):
            known = [one for one in judged.get(datastream.id, []) if one.phenomenon_time <= time]
            if known:
                parts.append(CombinationInput(known[-1], None, datastream.interval))
        state = combine(model.properties[datastreams[0].property], parts)
        values.append(InputValue(state.value, time, state.flags, len(state.datastreams)))
    return values


def _windows_of(
    datastreams: Sequence[Datastream],
    judged: dict[int, list[Observation]],
    model: CityModel,
    size: Duration,
) -> list[InputValue]:
    property = model.properties[datastreams[0].property]
    is_sum = property.combination == "sum"
    by_start: defaultdict[Instant, list[tuple[float, int, float]]] = defaultdict(list)
    for datastream in sorted(datastreams, key=lambda one: one.id):
        windows = expected_windows(judged.get(datastream.id, []), datastream, model)
        for (length, start), window in windows.items():
            value = window.total if window.total is not None else window.mean
            coverage = min(1.0, window.count * datastream.interval / size)
            if length == size and value is not None and (is_sum or coverage >= COVERAGE_MIN):
                by_start[start].append((value, window.count, coverage))
    return [
        InputValue(
            combine_values(property.combination, [value for value, _, _ in parts]),
            start,
            0,
            sum(count for _, count, _ in parts),
            sum(coverage for _, _, coverage in parts) / len(parts),
            **({"window": size} if "window" in InputValue._fields else {}),
        )
        for start, parts in sorted(by_start.items())
    ]
