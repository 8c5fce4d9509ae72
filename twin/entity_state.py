"""The state of an entity: its datastreams combined into one value for each observed property.

Everything here is a pure function of the *set* of observations, so any order of arrival ends in the same
state; only the revision, which counts the changes that were told, depends on the order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple, assert_never

from twin.datastream_state import DatastreamState, classify
from twin.freshness import live_for
from twin.instant import Duration, Instant
from twin.model import CityModel
from twin.observation import Observation, Outcome
from twin.observed_property import Combination
from twin.quality import takes_part


class PropertyState(NamedTuple):
    """The value of one property of an entity, combined from its datastreams."""

    value: float
    phenomenon_time: Instant  #: of the newest observation that takes part
    received_time: Instant  #: of the last received one that takes part
    flags: int  #: all flags of those that take part
    datastreams: tuple[int, ...]  #: ids of those that take part, ascending


class Change(NamedTuple):
    """A property of an entity that an observation changed."""

    entity: str
    property: str
    revision: int  #: of the entity, after this change
    state: PropertyState
    observation: Observation  #: the datastream state that changed it


@dataclass(slots=True)
class EntityState:
    """What is known of one entity now. Mutable, owned by one partition of one worker."""

    revision: int = 0
    datastreams: dict[int, DatastreamState] = field(default_factory=dict)

    def observe(
        self, observation: Observation, model: CityModel, future_max: Duration
    ) -> tuple[Outcome, Change | None]:
        """Take in one observation; return what became of it and, if the state changed, the change.

        Raises KeyError when the model does not know the datastream.
        """
        datastream = model.datastreams[observation.datastream]
        before = self.datastreams.get(datastream.id)
        after, outcome = classify(before, observation, future_max)
        if after is not None and after is not before:
            self.datastreams[datastream.id] = after
        if outcome is not Outcome.ACCEPTED and outcome is not Outcome.CORRECTION:
            return outcome, None
        self.revision += 1
        state = self.property_state(datastream.property, model)
        assert state is not None  # noqa: S101 - an observation has just been taken in
        return outcome, Change(datastream.entity, datastream.property, self.revision, state, observation)

    def property_state(self, property: str, model: CityModel) -> PropertyState | None:
        """Return the combined state of a property, or None while nothing was observed."""
        states: list[tuple[DatastreamState, Duration]] = []
        for state in self.datastreams.values():
            datastream = model.datastreams.get(state.datastream)
            if datastream is not None and datastream.property == property:
                states.append((state, datastream.interval))
        if not states:
            return None
        return combine(model.properties[property].combination, states)


def combine(combination: Combination, states: Sequence[tuple[DatastreamState, Duration]]) -> PropertyState:
    """Combine the states of at least one datastream, each given with its expected interval.

    Only good values that are fresh *relative to the newest one* take part: freshness by the clock on the wall
    would make the state depend on when it is computed. Where none is good, the newest speaks alone, and its
    flags say what it is worth.
    """
    newest = max(state.phenomenon_time for state, _ in states)
    parts = sorted(
        state
        for state, interval in states
        if takes_part(state.flags) and newest - state.phenomenon_time <= live_for(interval)
    )
    if not parts:
        parts = [max((state for state, _ in states), key=lambda one: (one.phenomenon_time, one))]
    flags = 0
    for part in parts:
        flags |= part.flags
    return PropertyState(
        value=_combined(combination, [part.value for part in parts]),
        phenomenon_time=max(part.phenomenon_time for part in parts),
        received_time=max(part.received_time for part in parts),
        flags=flags,
        datastreams=tuple(part.datastream for part in parts),
    )


def _combined(combination: Combination, values: Sequence[float]) -> float:
    if len(values) == 1:
        return values[0]
    match combination:
        case "mean":
            return math.fsum(values) / len(values)
        case "sum":
            return math.fsum(values)
        case "max":
            return max(values)
        case "median":
            return median(values)
        case "circular_mean":
            return _circular_mean(values)
        case _:
            assert_never(combination)


def _circular_mean(degrees: Iterable[float]) -> float:
    """Return the mean direction, 0 ≤ degrees < 360 (Mardia & Jupp, Directional Statistics, 2000, §2.2).

    >>> round(_circular_mean([350, 20]), 6)
    5.0
    """
    radians = [math.radians(one) for one in degrees]
    sine, cosine = math.fsum(map(math.sin, radians)), math.fsum(map(math.cos, radians))
    return math.degrees(math.atan2(sine, cosine)) % 360.0


def rebuilt(
    states: Iterable[DatastreamState], revisions: Mapping[str, int], model: CityModel
) -> dict[str, EntityState]:
    """Return entity states from stored datastream states and revisions; unknown datastreams are left out."""
    entities: dict[str, EntityState] = {}
    for state in states:
        datastream = model.datastreams.get(state.datastream)
        if datastream is None:
            continue
        entity = entities.setdefault(
            datastream.entity, EntityState(revision=revisions.get(datastream.entity, 0))
        )
        entity.datastreams[datastream.id] = state
    return entities
