"""What a partition keeps of one entity, and how it lies in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from stream.engine.stage import revision_base
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Datastream
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.state.datastream_state import DatastreamSnapshot, DatastreamState
from twin.state.derived_state import DerivedState
from twin.state.entity_state import EntityState


@dataclass(slots=True)
class EntityContent:
    """What a partition keeps of one entity."""

    state: EntityState = field(default_factory=EntityState)
    derived: DerivedState = field(default_factory=DerivedState)
    #: datastreams that were observed, properties that changed, since windows and values were last told
    pending_datastreams: set[int] = field(default_factory=set)
    pending_properties: set[str] = field(default_factory=set)
    model: int = 0  #: version of the model that its observations were judged by; 0: of none yet
    #: log time at which a property was last told to the area
    rolled_up_times: dict[str, Instant] = field(default_factory=dict)


def adopt_model(content: EntityContent, model: CityModel) -> None:
    """Have what is told of an entity from now on outrank what an earlier model told."""
    if content.model != model.version:
        content.model = model.version
        content.state.revision = max(content.state.revision, revision_base(model))


def has_same_policy(datastream: Datastream, before: CityModel | None, model: CityModel) -> bool:
    """Whether a datastream is judged by a model as it was by the one before."""
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


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EntitySnapshot).decode


class EntityCodec:
    """How entities are made, encoded and decoded."""

    def new(self) -> EntityContent:
        """Return an entity of which nothing is known."""
        return EntityContent()

    def encode(self, name: str, content: EntityContent) -> bytes:
        """Return an entity as MessagePack."""
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
            )
        )

    def decode(self, data: msgspec.Raw) -> tuple[str, EntityContent]:
        """Return the entity that `encode` was given."""
        one = _decode(data)
        datastreams = {id: DatastreamState.restored(state) for id, state in one.datastreams.items()}
        state = EntityState(one.revision, datastreams, one.verdicts)
        return one.entity, EntityContent(
            state, one.derived, set(one.observed), set(one.changed), one.model, one.rolled_up
        )
