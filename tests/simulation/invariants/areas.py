"""Invariants of areas and households: roll-ups, privacy and revisions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from runtime.kafka import topics
from tests.simulation.invariants.observations import CheckedObservations, FinalState
from tests.simulation.system.simulated_log import SimulatedLog
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.names import AREA_PREFIX, roll_up_of
from twin.privacy.cohort import COHORT_BREAK, CONNECTIONS_MIN
from twin.quality.quality_flags import is_usable
from twin.state.freshness import freshness, live_duration
from twin.wire.messages import AGGREGATES, UPDATES, Update, UpdateKind


def areas_match_their_roll_up(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """The value of an area is the roll-up of the last values of its entities and areas."""
    inputs: defaultdict[tuple[str, str], list[tuple[float, int, Instant, Instant]]] = defaultdict(list)
    for update in ending.database.updates.values():
        name = update.property.removeprefix(AREA_PREFIX)
        area = _area_told(update, ending.model)
        if area is None or roll_up_of(name, ending.model) == "none":
            continue
        if not is_usable(update.flags):
            continue
        time = update.phenomenon_time
        inputs[area, name].append((update.value, update.count, time, time + _valid_for(update, ending.model)))
    told = {
        (one.entity, one.property.removeprefix(AREA_PREFIX)): one
        for one in ending.database.updates.values()
        if one.property.startswith(AREA_PREFIX)
    }
    for area, name in sorted(inputs.keys() | told.keys()):
        one = told.get((area, name))
        expected = _rolled_up(inputs.get((area, name), []), roll_up_of(name, ending.model))
        if expected is None:
            if one is not None and is_usable(one.flags):
                yield f"area {area}: {name} is told as good, and nothing below it is"
        elif one is None:
            yield f"area {area} tells no {name}, expected {expected}"
        elif not math.isclose(one.value, expected, rel_tol=1e-9, abs_tol=1e-9):
            yield f"area {area}: {name} is {one.value}, its children come to {expected}"


def _area_told(update: Update, model: CityModel) -> str | None:
    entity = model.entities[update.entity]
    if update.property.startswith(AREA_PREFIX) or entity.type not in AREA_TYPES:
        return entity.parent
    return entity.id


def _valid_for(update: Update, model: CityModel) -> int:
    if update.kind is UpdateKind.INDICATOR:
        return live_duration(update.interval)
    return live_duration(min(one.interval for one in model.datastreams_of(update.entity, update.property)))


def _rolled_up(found: list[tuple[float, int, Instant, Instant]], kind: str) -> float | None:
    if not found:
        return None
    newest = max(time for _, _, time, _ in found)
    counting = [(value, weight) for value, weight, _, until in found if until >= newest]
    values = [value for value, _ in counting]
    if kind == "sum":
        return math.fsum(values)
    if kind == "mean":
        return math.fsum(v * w for v, w in counting) / sum(w for _, w in counting)
    return max(values) if kind == "max" else min(values)


def household_sums_protect_privacy(logs: Sequence[SimulatedLog], model: CityModel) -> Iterator[str]:
    """A published sum has at least ten connections, and two sums differ in none or in at least ten."""
    published: defaultdict[tuple[str, str], dict[Instant, Update]] = defaultdict(dict)
    for update in (one for log in logs for one in _updates(log)):
        if update.kind is UpdateKind.OBSERVED and _is_personal(update.entity, update.property, model):
            yield f"{update.entity} tells {update.property} of one household"
        if update.kind is UpdateKind.PERSONAL and not math.isnan(update.value):
            yield f"{update.entity} tells the value of one household"
        if (
            update.property.removeprefix(AREA_PREFIX) == "power_import"
            and update.kind is UpdateKind.INDICATOR
        ):
            if update.count < CONNECTIONS_MIN:
                yield f"{update.entity} tells {update.property} of {update.count} connections"
            if update.datastreams:
                known = published[update.entity, update.property]
                before = known.setdefault(update.phenomenon_time, update)
                if (before.value, before.datastreams) != (update.value, update.datastreams):
                    yield f"{update.entity} tells the sum of a window twice: {before}, {update}"
    for (entity, _), sums in published.items():
        ordered = [sums[time] for time in sorted(sums)]
        for number, one in enumerate(ordered):
            for other in ordered[:number]:
                if one.phenomenon_time - other.phenomenon_time < COHORT_BREAK:
                    apart = set(one.datastreams) ^ set(other.datastreams)
                    if 0 < len(apart) < CONNECTIONS_MIN:
                        yield f"{entity} tells sums that differ in {len(apart)} connections"


def update_revisions_are_unique(log: SimulatedLog) -> Iterator[str]:
    """Updates with equal revisions are equal, and new revisions increase."""
    told: dict[tuple[object, ...], object] = {}
    highest: dict[tuple[str, bool], int] = {}
    for update in _updates(log):
        place = update.entity, update.property.startswith(AREA_PREFIX)
        known = told.setdefault((*place, update.revision), update)
        if known is update:
            if update.revision <= highest.get(place, 0):
                yield f"revision {update.revision} of {update.entity} comes behind {highest[place]}"
            highest[place] = update.revision
        elif not _same(known, update):
            yield f"revision {update.revision} of {update.entity} tells two things: {known} and {update}"
    for batch in (AGGREGATES.decode(value) for value in _records(log, topics.AGGREGATES)):
        for one in batch.aggregates:
            key = "window", one.size, one.datastream, one.start, one.revision
            if told.setdefault(key, one) != one:
                yield f"window {key} tells two things: {told[key]} and {one}"


def _same(one: object, other: object) -> bool:
    return one == other or repr(one) == repr(other)  # personal values are NaN


def _updates(log: SimulatedLog) -> Iterator[Update]:
    for value in _records(log, topics.UPDATES):
        yield from UPDATES.decode(value).updates


def _records(log: SimulatedLog, wanted: str) -> Iterator[bytes]:
    for topic, partition in log.partitions():
        if topic == wanted:
            for offset in range(log.end(topic, partition)):
                yield log.read(topic, partition, offset)


def silent_sensors_are_reported(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """A sensor without observations for long enough is silent by its stored state."""
    for id, found in judged.items():
        state = ending.database.states.get(id)
        interval = ending.model.datastreams[id].interval
        wanted = freshness(found[-1].phenomenon_time, interval, ending.now)
        stored = state.observation if state is not None else None
        if stored is not None and freshness(stored.phenomenon_time, interval, ending.now) != wanted:
            yield f"datastream {id} is not said to be {wanted}"


def _is_personal(entity: str, property: str, model: CityModel) -> bool:
    return any(model.policy_of(one).personal for one in model.datastreams_of(entity, property))
