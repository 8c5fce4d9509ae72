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
        area = _area_of(update, ending.model)
        if area is None or roll_up_of(name, ending.model) == "none":
            continue
        if not is_usable(update.flags):
            continue
        time = update.phenomenon_time
        inputs[area, name].append((update.value, update.count, time, time + _valid_for(update, ending.model)))
    published = {
        (update.entity, update.property.removeprefix(AREA_PREFIX)): update
        for update in ending.database.updates.values()
        if update.property.startswith(AREA_PREFIX)
    }
    for area, name in sorted(inputs.keys() | published.keys()):
        area_update = published.get((area, name))
        expected = _rolled_up(inputs.get((area, name), []), roll_up_of(name, ending.model))
        if expected is None:
            if area_update is not None and is_usable(area_update.flags):
                yield f"area {area}: {name} is published as good, and nothing below it is"
        elif area_update is None:
            yield f"area {area} publishes no {name}, expected {expected}"
        elif not math.isclose(area_update.value, expected, rel_tol=1e-9, abs_tol=1e-9):
            yield f"area {area}: {name} is {area_update.value}, its children give {expected}"


def _area_of(update: Update, model: CityModel) -> str | None:
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
            yield f"{update.entity} publishes {update.property} of one household"
        if update.kind is UpdateKind.PERSONAL and not math.isnan(update.value):
            yield f"{update.entity} publishes the value of one household"
        if (
            update.property.removeprefix(AREA_PREFIX) == "power_import"
            and update.kind is UpdateKind.INDICATOR
            and any(_is_personal(one, "power_import", model) for one in model.within(update.entity))
        ):
            if update.count < CONNECTIONS_MIN:
                yield f"{update.entity} publishes {update.property} of {update.count} connections"
            if update.datastreams:
                known = published[update.entity, update.property]
                before = known.setdefault(update.phenomenon_time, update)
                if (before.value, before.datastreams) != (update.value, update.datastreams):
                    yield f"{update.entity} publishes the sum of a window twice: {before}, {update}"
    for (entity, _), sums in published.items():
        ordered = [sums[time] for time in sorted(sums)]
        for number, later in enumerate(ordered):
            for earlier in ordered[:number]:
                if later.phenomenon_time - earlier.phenomenon_time < COHORT_BREAK:
                    apart = set(later.datastreams) ^ set(earlier.datastreams)
                    if 0 < len(apart) < CONNECTIONS_MIN:
                        yield f"{entity} publishes sums that differ in {len(apart)} connections"


def update_revisions_are_unique(log: SimulatedLog) -> Iterator[str]:
    """Updates with equal revisions are equal, and new revisions increase."""
    published: dict[tuple[object, ...], object] = {}
    highest: dict[tuple[str, bool], int] = {}
    for update in _updates(log):
        place = update.entity, update.property.startswith(AREA_PREFIX)
        known = published.setdefault((*place, update.revision), update)
        if known is update:
            if update.revision <= highest.get(place, 0):
                yield f"revision {update.revision} of {update.entity} comes behind {highest[place]}"
            highest[place] = update.revision
        elif not _same(known, update):
            yield f"revision {update.revision} of {update.entity} has two contents: {known} and {update}"
    for batch in (AGGREGATES.decode(value) for value in _records(log, topics.AGGREGATES)):
        for aggregate in batch.aggregates:
            key = "window", aggregate.size, aggregate.datastream, aggregate.start, aggregate.revision
            if published.setdefault(key, aggregate) != aggregate:
                yield f"window {key} has two contents: {published[key]} and {aggregate}"


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
