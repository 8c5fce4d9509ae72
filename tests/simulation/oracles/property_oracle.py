"""The oracle: the results for a set of observations, slowly and in plain Python.

It has no order of arrival, no restarts and no open windows: it sorts the set and computes each observation
and each window from the beginning. From the product it uses the quality check of one observation and the
increase between two counter readings, which have tests of their own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.model.datastream_policy import WINDOW_SIZES
from twin.model.observation import LastGoodValue, Observation, order_of_knowledge
from twin.model.observed_property import COUNTER_RATE_MAX
from twin.model.sensor import Datastream
from twin.quality.constant_run import ACTIVITY_MEMORY, STANDSTILL_MIN, ConstantRun, Standstill
from twin.quality.level_shift import QUALITY_LOOKAHEAD
from twin.quality.quality_check import CONTEXT_MAX, check_quality
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.state.combination import CombinationInput, PropertyState, combine
from twin.state.counter import counter_increase

_NO_STANDSTILLS: tuple[Standstill, ...] = ()


class ExpectedWindow(NamedTuple):
    """The expected content of a window."""

    count: int  # type: ignore[assignment]
    suspect: int
    flags: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    total: float | None
    first: float | None
    last: float | None


def surviving_observations(written: Iterable[Observation]) -> dict[int, list[Observation]]:
    """Return the observation of each time that became known last, in order of time, by datastream."""
    best: dict[tuple[int, Instant], Observation] = {}
    for observation in written:
        known = best.get(observation[:2], observation)
        best[observation[:2]] = max(observation, known, key=order_of_knowledge)
    found: defaultdict[int, list[Observation]] = defaultdict(list)
    for observation in sorted(best.values()):
        found[observation.datastream].append(observation)
    return dict(found)


def checked_observations(
    observations: list[Observation], datastream: Datastream, model: CityModel
) -> list[Observation]:
    """Return the observations of a datastream, calibrated and with all flags."""
    rules = model.properties[datastream.property].quality
    points = [(one.phenomenon_time, _calibrated(one, datastream, model)) for one in observations]
    count, start, standstills = 0, observations[0].phenomenon_time if observations else 0, _NO_STANDSTILLS
    found: list[Observation] = []
    members: list[list[int]] = []  # of each run of equal values, as received
    stuck_runs: set[int] = set()
    for number, observation in enumerate(observations):
        time, value = points[number]
        is_equal = number > 0 and observations[number - 1].value == observation.value
        count = count + 1 if is_equal else 1
        if not is_equal:
            members.append([])
            if number:
                ended, start = (start, time), time
                standstills = tuple(
                    one
                    for one in (*standstills, ended)
                    if one[1] - one[0] > STANDSTILL_MIN and start - one[1] < ACTIVITY_MEMORY
                )
        members[-1].append(number)
        run = ConstantRun(observation.value, count, start, standstills, observations[0].phenomenon_time)
        after = points[number + 1 : number + 1 + QUALITY_LOOKAHEAD]
        context = points[max(0, number - CONTEXT_MAX) : number]
        checked = check_quality(
            context, run, time, observation.received_time, value, rules, datastream.interval, after
        )
        if checked & QualityFlag.STUCK:
            stuck_runs.add(len(members) - 1)
        found.append(observation._replace(value=value, flags=observation.flags | checked))
    for run_number in stuck_runs:
        for number in members[run_number]:
            if not found[number].flags & QualityFlag.STUCK:
                flags = int(found[number].flags | QualityFlag.STUCK | QualityFlag.FOUND_LATER)
                found[number] = found[number]._replace(flags=flags)
    return found


def _calibrated(observation: Observation, datastream: Datastream, model: CityModel) -> float:
    value = observation.value
    for calibration in model.calibrations_of(datastream):
        if calibration.start <= observation.phenomenon_time < calibration.end:
            value = calibration.gain * observation.value + calibration.offset
    return value


def expected_windows(
    found: list[Observation], datastream: Datastream, model: CityModel
) -> dict[tuple[Duration, Instant], ExpectedWindow]:
    """Return the content of each window with observations, by size and start."""
    kind = model.properties[datastream.property].aggregation
    steps: dict[Instant, float] = {}
    register: tuple[Instant, float] | None = None
    for observation in found:
        if kind == "counter" and is_usable(observation.flags):
            reading = observation.phenomenon_time, observation.value
            if register is not None:
                counted = counter_increase(
                    register, reading, rate_max=COUNTER_RATE_MAX.get(datastream.property)
                )
                steps[observation.phenomenon_time] = counted.amount
                reading = observation.phenomenon_time, counted.register
            register = reading
    windows: dict[tuple[Duration, Instant], ExpectedWindow] = {}
    for size in WINDOW_SIZES:
        if size < datastream.interval and size != WINDOW_SIZES[-1]:
            continue
        members: defaultdict[Instant, list[Observation]] = defaultdict(list)
        for observation in found:
            members[observation.phenomenon_time // size * size].append(observation)
        for start, ones in members.items():
            windows[size, start] = _window(ones, kind, steps)
    return windows


def _window(ones: list[Observation], kind: str, steps: dict[Instant, float]) -> ExpectedWindow:
    flags = 0
    for observation in ones:
        flags |= observation.flags
    values = [one.value for one in ones if is_usable(one.flags)]
    if not values:
        return ExpectedWindow(0, len(ones), flags, None, None, None, None, None, None)
    mean: float | None = math.fsum(values) / len(values)
    total = None
    low: float | None = min(values)
    high: float | None = max(values)
    if kind == "counter":
        mean, total = None, math.fsum(steps.get(one.phenomenon_time, 0.0) for one in ones)
    elif kind == "sum":
        total = math.fsum(values)
    elif kind == "circular_mean":
        east = math.fsum(math.sin(math.radians(value)) for value in values)
        north = math.fsum(math.cos(math.radians(value)) for value in values)
        short = math.hypot(east, north) < 1e-9 * len(values)
        mean, low, high = None if short else math.degrees(math.atan2(east, north)) % 360.0, None, None
    return ExpectedWindow(
        len(values), len(ones) - len(values), flags, low, high, mean, total, values[0], values[-1]
    )


def expected_property_state(
    datastreams: Iterable[Datastream], found: dict[int, list[Observation]], model: CityModel
) -> PropertyState | None:
    """Return the state of the property that these datastreams observe, None without observations."""
    parts, property = [], ""
    for datastream in datastreams:
        property = datastream.property
        if datastream.id in found:
            good = [obs for obs in found[datastream.id] if is_usable(obs.flags)]
            last = LastGoodValue(good[-1].value, good[-1].phenomenon_time) if good else None
            parts.append(CombinationInput(found[datastream.id][-1], last, datastream.interval))
    return combine(model.properties[property], parts) if parts else None
