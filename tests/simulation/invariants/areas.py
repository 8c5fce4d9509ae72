"""Invariants of areas and households: roll-ups, privacy and revisions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runtime.kafka import topics
from tests.simulation.invariants.observations import CheckedObservations, FinalState
from tests.simulation.oracles.property_oracle import expected_property_state
from tests.simulation.system.simulated_log import SimulatedLog
from twin.indicators.registry import REGISTRY
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, coverage_min_of, roll_up_of, series_interval, slot_of
from twin.privacy.cohort import COHORT_BREAK, CONNECTIONS_MIN
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.state.area_members import expected_members, member_entities
from twin.state.area_state import last_slot
from twin.state.derived_points import derived_interval, is_windowed
from twin.state.freshness import freshness, live_duration
from twin.wire.messages import AGGREGATES, UPDATES, Update, UpdateKind


class _Input(NamedTuple):
    """What an entity contributes to its areas in a slot."""

    slot: Instant
    value: float | None
    weight: int
    last: Instant


def areas_match_their_roll_up(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """The newest value of an area is the roll-up of all entities in it, however many areas lie between."""
    model, updates = ending.model, ending.database.updates
    for name in (*model.properties, *REGISTRY):
        if roll_up_of(name, model) == "none":
            continue
        inputs = {entity: _inputs(entity, name, ending, judged) for entity in model.entities}
        for area in (id for id in model.entities if any(one.parent == id for one in model.entities.values())):
            below = [entity for entity in member_entities(area, name, model) if inputs[entity]]
            update = updates.get((area, AREA_PREFIX + name))
            if update is None:
                if below and any(one.value is not None for entity in below for one in inputs[entity]):
                    yield f"area {area} publishes no {name}"
                continue
            newest = max((inputs[one][-1].slot for one in below), default=0)
            outvoted = _outvoted(area, name, ending)
            last = [inputs[one][-1] for one in below if one not in outvoted]
            counting = [one for one in last if one.last >= newest and one.value is not None]
            yield from _differing(area, name, update, counting, model)


def _differing(
    area: str, name: str, update: Update, counting: list[_Input], model: CityModel
) -> Iterator[str]:
    if not counting:
        if is_usable(update.flags):
            yield f"area {area}: {name} is published as good, and nothing below it is"
        return
    expected = _rolled_up(counting, roll_up_of(name, model))
    if not math.isclose(update.value, expected, rel_tol=1e-9, abs_tol=1e-9):
        yield f"area {area}: {name} is {update.value}, its entities give {expected}"
    if update.members != len(counting):
        yield f"area {area}: {name} is of {update.members} entities, expected {len(counting)}"
    enough = update.members >= coverage_min_of(name, model) * expected_members(area, name, model)
    if enough == bool(update.flags & QualityFlag.INCOMPLETE):
        yield f"area {area}: {name} of {update.members} entities has the flags {update.flags}"


def _inputs(entity: str, name: str, ending: FinalState, judged: CheckedObservations) -> list[_Input]:
    """Return what an entity contributes in each slot, ascending."""
    model, size = ending.model, series_interval(name, ending.model)
    inputs: dict[Instant, _Input] = {}
    datastreams = [one for one in model.datastreams_of(entity, name) if not model.policy_of(one).personal]
    times = sorted({one.phenomenon_time for each in datastreams for one in judged.get(each.id, [])})
    live = live_duration(min((one.interval for one in datastreams), default=0))
    last_of_slot = {time - time % size: time for time in times}
    for slot, time in sorted(last_of_slot.items())[-1:]:
        known = {each.id: [one for one in judged.get(each.id, []) if one[1] <= time] for each in datastreams}
        state = expected_property_state(datastreams, {id: ones for id, ones in known.items() if ones}, model)
        if state is not None:
            value = state.value if is_usable(state.flags) else None
            inputs[slot] = _Input(slot, value, len(state.datastreams), last_slot(slot, size, live))
    points = [
        (time, update)
        for (one, of, time), update in ending.database.entity_values.items()
        if (one, of) == (entity, name) and not math.isnan(update.value)
    ]
    for time, update in sorted(points):
        slot = slot_of(time, size, windowed=name in model.properties or is_windowed(name))
        value = update.value if is_usable(update.flags) else None
        # A repaired point has no interval of its own.
        interval = update.interval or derived_interval(name, entity, model) or model.interval_of(entity)
        last = last_slot(slot, size, live_duration(interval))
        inputs[slot] = _Input(slot, value, update.count, last)
    return [inputs[slot] for slot in sorted(inputs)]


def _outvoted(area: str, name: str, ending: FinalState) -> set[str]:
    """Return the entities that the area and those in it have left out of their newest values."""
    updates = [ending.database.updates.get((one, AREA_PREFIX + name)) for one in ending.model.within(area)]
    ids = {id for update in updates if update is not None for id in update.deviating}
    return {ending.model.datastreams[id].entity for id in ids}


def _rolled_up(counting: list[_Input], kind: str) -> float:
    values = [one.value for one in counting if one.value is not None]
    if kind == "sum":
        return math.fsum(values)
    if kind == "mean":
        weighted = [one.value * one.weight for one in counting if one.value is not None]
        return math.fsum(weighted) / sum(one.weight for one in counting)
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
