"""The content of one entity: what a partition stores of it in memory and in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from stream.engine.stage import revision_base
from twin.instant import INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Datastream
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.state.datastream_state import DatastreamSnapshot, DatastreamState
from twin.state.derived_points import RequiredInputs
from twin.state.derived_state import DerivedState
from twin.state.entity_state import EntityState
from twin.state.property_series import property_values


@dataclass(slots=True)
class EntityContent:
    """The state of one entity, and which outputs of it are pending. Mutable, owned by one partition."""

    state: EntityState = field(default_factory=EntityState)
    derived: DerivedState = field(default_factory=DerivedState)
    #: how often each datastream was observed, and the properties changed, since values were last emitted
    pending_datastreams: dict[int, int] = field(default_factory=dict)
    pending_properties: set[str] = field(default_factory=set)
    model: int = 0  #: version of the model that its observations were assessed by; 0 for none
    #: property → log time at which it was last sent to the area
    rolled_up_times: dict[str, Instant] = field(default_factory=dict)
    #: property → phenomenon time from which on its area does not have the values yet
    rolled_up_since: dict[str, Instant] = field(default_factory=dict)
    #: datastream → offset of the last record that requested a repair, until storage has answered
    awaited_histories: dict[int, int] = field(default_factory=dict)

    @property
    def has_pending_households(self) -> bool:
        """Whether a sum of households waits for readings."""
        return any(household.pending for household in self.derived.households.values())


def adopt_model(content: EntityContent, model: CityModel, more: int = 0) -> None:
    """Let the updates of an entity from now on outrank those that were made by an earlier model.

    `more` lets them outrank also those of this model up to so many revisions above its first.
    """
    if content.model != model.version:
        content.model = model.version
        content.state.revision = max(content.state.revision, revision_base(model) + more)


def update_values(content: EntityContent, required: RequiredInputs, model: CityModel) -> None:
    """Give the derived values the single values that have changed since they were last emitted.

    What is too old for the observations in memory is left to a repair; after a change of model, which begins
    at no time, storage computes everything older again.
    """
    derived, state = content.derived, content.state
    for property, since in list(derived.changed_since.items()):
        series = state.observed_series(property, model)
        if not series:
            continue
        complete_from = state.complete_from(property, model)
        if since < complete_from:
            derived.note_missing_value(property, complete_from - 1, required)
            if since > INSTANT_MIN:
                derived.leave_to_repair(property, since, complete_from, required)
        begin = max(since, complete_from)
        derived.set_values(property, begin, property_values(model.properties[property], series, begin))


def has_same_policy(datastream: Datastream, before: CityModel | None, model: CityModel) -> bool:
    """Whether a model has the same policy for a datastream as the model before."""
    known = before.datastreams.get(datastream.id) if before is not None else None
    return known is not None and before is not None and before.policy_of(known) == model.policy_of(datastream)


class EntitySnapshot(msgspec.Struct, array_like=True, frozen=True):
    """An entity in a checkpoint."""

    entity: str
    revision: int
    datastreams: dict[int, DatastreamSnapshot]
    derived: DerivedState
    observed: tuple[int, ...]
    changed: tuple[str, ...]
    model: int
    verdicts: dict[str, dict[str, NeighbourVerdict]] = {}
    rolled_up: dict[str, Instant] = {}
    observed_counts: tuple[int, ...] = ()  #: how often each of `observed` was observed
    rolled_up_since: dict[str, Instant] = {}
    awaited: dict[int, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EntitySnapshot).decode


class EntityCodec:
    """Creates, encodes and decodes the contents of entities."""

    def new(self) -> EntityContent:
        """Return an empty content."""
        return EntityContent()

    def encode(self, name: str, content: EntityContent) -> bytes:
        """Return an entity and its content as MessagePack."""
        return _encode(
            EntitySnapshot(
                name,
                content.state.revision,
                {id: one.snapshot() for id, one in content.state.datastreams.items()},
                content.derived,
                tuple(sorted(content.pending_datastreams)),
                tuple(sorted(content.pending_properties)),
                content.model,
                content.state.verdicts,
                content.rolled_up_times,
                tuple(content.pending_datastreams[id] for id in sorted(content.pending_datastreams)),
                content.rolled_up_since,
                content.awaited_histories,
            )
        )

    def decode(self, data: msgspec.Raw) -> tuple[str, EntityContent]:
        """Return the entity and content that were encoded."""
        snapshot = _decode(data)
        datastreams = {id: DatastreamState.restored(state) for id, state in snapshot.datastreams.items()}
        state = EntityState(snapshot.revision, datastreams, snapshot.verdicts)
        for property in snapshot.derived.changed:  # version 0.1 did not say since when
            values = snapshot.derived.instant_values.get(property)
            if values:
                snapshot.derived.changed_since.setdefault(property, values[-1].time)
        counts = snapshot.observed_counts or (1,) * len(snapshot.observed)
        return snapshot.entity, EntityContent(
            state,
            snapshot.derived,
            dict(zip(snapshot.observed, counts, strict=True)),
            set(snapshot.changed),
            snapshot.model,
            snapshot.rolled_up,
            snapshot.rolled_up_since,
            snapshot.awaited,
        )
