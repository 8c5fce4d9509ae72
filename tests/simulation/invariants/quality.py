"""Invariants of quality checks: values out of range, and spikes of otherwise fault-free sensors, are flagged.

By default stuck values are flagged after hours (`twin.quality.quality_rules`), longer than most runs last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

from simulators.faults import PlannedFault, faults_for_sensor
from simulators.faults.fault import FaultLocation
from simulators.faults.sensor_faults import SpikeFault
from tests.simulation.city.device_messages import DeviceMessage
from tests.simulation.invariants.observations import CheckedObservations, FinalState
from twin.indicators.registry import REGISTRY
from twin.instant import Instant
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.quality.spike import SPIKE_INTERVALS_MAX

# The values needed before a spike, and the spikes allowed among them, for a reliable median.
CONTEXT_MIN = 7
SPIKES_MAX = 2

LEVEL_INTERVALS = 4
"""Values that confirm another must follow within so many intervals."""

HEIGHT_MIN = 10.0
"""A spike of this multiple of the rule's least deviation must be flagged, whatever the noise."""


def out_of_range_values_are_flagged(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """A value is flagged exactly when it is outside the range of its property."""
    for id, found in judged.items():
        rules = ending.model.properties[ending.model.datastreams[id].property].quality
        low = rules.minimum if rules.minimum is not None else float("-inf")
        high = rules.maximum if rules.maximum is not None else float("inf")
        for observation in found:
            assessment = ending.database.assessments.get(observation[:2])
            flagged = assessment is not None and bool(assessment.flags & QualityFlag.OUT_OF_RANGE)
            if flagged != (not low <= observation.value <= high):
                yield f"observation {observation[:2]}: {observation.value} of {low} to {high}, {assessment}"


def whole_runs_are_stuck(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """All values of a run of equal values that is too long are stuck, and no others.

    Properties are left out for which it matters what was before the run, and values that mean "no value".
    """
    for id, found in judged.items():
        rules = ending.model.properties[ending.model.datastreams[id].property].quality
        stuck = rules.stuck
        if stuck is None or stuck.active_duration_min is not None:
            continue
        nulls = rules.null_values.values if rules.null_values is not None else ()
        # The sensor is stuck: a calibration that begins within a run does not end it.
        stored = [one for each in found if (one := ending.database.observations.get(each[:2])) is not None]
        for value, ones in groupby(stored, key=lambda one: one.value):
            if value in nulls:
                continue
            run = list(ones)
            length = run[-1].phenomenon_time - run[0].phenomenon_time
            is_too_long = len(run) >= stuck.count and length >= stuck.duration_min
            expected = is_too_long and value not in stuck.except_values
            for observation in run:
                assessment = ending.database.assessments.get(observation[:2])
                flagged = assessment is not None and bool(assessment.flags & QualityFlag.STUCK)
                if flagged != expected:
                    yield (
                        f"observation {observation[:2]} of a run of {len(run)} over {length / 60e6:g} min: "
                        f"stuck is {flagged}, expected {expected}"
                    )


def levels_are_good(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """A value that the next three confirm is no spike, and has not changed too fast."""
    for id, found in judged.items():
        datastream = ending.model.datastreams[id]
        rules = ending.model.properties[datastream.property].quality
        if rules.spike is None or rules.isolated is not None or rules.null_values is not None:
            continue
        for number, observation in enumerate(found):
            following = found[number + 1 : number + 4]
            # Rounded as by the check: 8.9 - 0.9 is 8, but 0.9 is below 8.9 - 8.
            low, high = (
                observation.value - rules.spike.deviation_min,
                observation.value + rules.spike.deviation_min,
            )
            confirmed = len(following) == 3 and all(low <= one.value <= high for one in following)
            soon = following and following[-1][1] - observation[1] <= LEVEL_INTERVALS * datastream.interval
            assessment = ending.database.assessments.get(observation[:2])
            flags = assessment.flags if assessment is not None else 0
            if confirmed and soon and flags & (QualityFlag.SPIKE | QualityFlag.RATE_OF_CHANGE):
                yield f"observation {observation[:2]}: {observation.value} is confirmed, flags {flags}"


def doubts_of_sources_are_kept(
    ending: FinalState, judged: CheckedObservations, messages: Sequence[DeviceMessage]
) -> Iterator[str]:
    """A value is doubtful exactly when its source says so, in a word or by another field."""
    ids = {(one.sensor, one.field): one.id for one in ending.model.datastreams.values()}
    doubts: defaultdict[tuple[int, Instant, float], set[bool]] = defaultdict(set)
    for message in messages:
        for reading in message.delivery.readings if message.delivery is not None else ():
            if reading.time is not None:
                key = ids[message.sensor, reading.field], reading.time, round(reading.value, 9)
                doubts[key].add(message.is_doubtful)
    for observation in ending.database.observations.values():
        said = doubts.get((observation.datastream, observation.phenomenon_time, observation.value))
        flagged = bool(observation.flags & QualityFlag.SOURCE_DOUBTFUL)
        if said is not None and flagged not in said:
            yield f"observation {observation}: the source says {said}"


def indicators_reflect_failed_inputs(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """An indicator over one current value is suspect exactly when that value is."""
    for (entity, name), update in sorted(ending.database.updates.items()):
        indicator = REGISTRY.get(name)
        if indicator is None or len(indicator.inputs) != 1:
            continue
        (one,) = indicator.inputs
        if one.averaging == "instant" and not one.history:
            input = ending.database.updates[entity, one.property]
            if is_usable(update.flags) != is_usable(input.flags):
                yield f"indicator {name} of {entity} has flags {update.flags}, its input {input.flags}"


def spikes_are_flagged(
    ending: FinalState,
    judged: CheckedObservations,
    messages: Sequence[DeviceMessage],
    plan: Sequence[PlannedFault],
) -> Iterator[str]:
    """A high spike of a sensor without other measurement faults is suspect."""
    for id, found in judged.items():
        datastream = ending.model.datastreams[id]
        faults = [
            fault
            for fault in faults_for_sensor(plan, datastream.sensor)
            if fault.location is not FaultLocation.NETWORK
        ]
        sound = all(isinstance(one, SpikeFault) for one in faults)
        if faults and sound and not ending.model.calibrations_of(datastream):
            yield from _unseen(ending, found, _heights(messages, datastream), datastream)


def _heights(messages: Sequence[DeviceMessage], datastream: Datastream) -> dict[int, float]:
    """Return the difference between sent and true values of a datastream, by phenomenon time."""
    return {
        sent.time: abs(sent.value - truth.value)
        for message in messages
        if message.sensor == datastream.sensor and message.delivery is not None
        for sent, truth in zip(message.delivery.readings, message.delivery.truth, strict=True)
        if sent.time is not None and sent.field == datastream.field
    }


def _unseen(
    ending: FinalState, found: list[Observation], heights: dict[int, float], datastream: Datastream
) -> Iterator[str]:
    rule = ending.model.properties[datastream.property].quality.spike
    if rule is None:
        return
    for number, observation in enumerate(found):
        oldest = observation.phenomenon_time - rule.window * SPIKE_INTERVALS_MAX * datastream.interval
        context = [two for two in found[max(0, number - rule.window) : number] if two[1] >= oldest]
        spikes = sum(heights.get(two.phenomenon_time, 0.0) > 0 for two in context)
        high = heights.get(observation.phenomenon_time, 0.0) >= HEIGHT_MIN * rule.deviation_min
        if not high or len(context) < CONTEXT_MIN or spikes > SPIKES_MAX:
            continue
        assessment = ending.database.assessments.get(observation[:2])
        if assessment is None or is_usable(assessment.flags):
            place = f"spike of {datastream.property} {observation[:2]}"
            yield f"{place}: {observation.value} is not suspect, assessment {assessment}"
