"""What a partition keeps of one entity, and how it lies in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from twin.datastream_snapshot import Snapshot
from twin.datastream_state import DatastreamState
from twin.derived_state import DerivedState
from twin.entity_state import EntityState


@dataclass(slots=True)
class EntityContent:
    """What a partition keeps of one entity."""

    state: EntityState = field(default_factory=EntityState)
    derived: DerivedState = field(default_factory=DerivedState)
    #: datastreams that were observed, properties that changed, since windows and values were last told
    observed: set[int] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    model: int = 0  #: version of the model that its observations were judged by; 0: of none yet


class EntitySnapshot(msgspec.Struct, array_like=True, frozen=True):
    """An entity in a checkpoint."""

    entity: str
    revision: int
    datastreams: dict[int, Snapshot]
    derived: DerivedState
    observed: tuple[int, ...]
    changed: tuple[str, ...]
    model: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EntitySnapshot).decode


class EntityKind:
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
                tuple(sorted(content.observed)),
                tuple(sorted(content.changed)),
                content.model,
            )
        )

    def decode(self, data: msgspec.Raw) -> tuple[str, EntityContent]:
        """Return the entity that `encode` was given."""
        one = _decode(data)
        datastreams = {id: DatastreamState.restored(state) for id, state in one.datastreams.items()}
        state = EntityState(one.revision, datastreams)
        return one.entity, EntityContent(state, one.derived, set(one.observed), set(one.changed), one.model)
