"""The state of one partition: its entities, how far they are, and what a checkpoint of them holds. Pure.

Entities are kept in buckets, and a checkpoint writes the buckets that changed. Each bucket carries the offset
up to which it is complete; the position of the partition, written last, lists them. A checkpoint that was
torn, or overwritten by a worker that had lost the partition without knowing it yet, is recognised by that
list, and the replay starts early enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple
from zlib import crc32

import msgspec

from twin.entity_state import EntityState
from twin.errors import MessageError
from twin.instant import Duration
from twin.messages import VERSION, Update
from twin.model import CityModel
from twin.observation import Observation, Outcome

NOWHERE = -1
"""The offset before the first record."""


class EntitySnapshot(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An entity in a checkpoint."""

    entity: str
    revision: int
    datastreams: tuple[Observation, ...]


class BucketSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """A bucket in a checkpoint: complete up to and including `offset`."""

    version: int
    log: str
    offset: int
    entities: tuple[EntitySnapshot, ...]


class Position(msgspec.Struct, array_like=True, frozen=True):
    """How far a checkpoint reaches: the last applied offset, and that of the last write of each bucket."""

    version: int
    log: str
    offset: int
    buckets: tuple[int, ...]


class Checkpoint(NamedTuple):
    """The entries to write, buckets first, the position last."""

    buckets: dict[int, bytes]
    position: bytes


class Applied(NamedTuple):
    """What one record did."""

    updates: list[Update]
    outcomes: Counter[Outcome]
    unknown: int  #: observations of datastreams that the model does not have


class Bucket:
    """Entities that are written to a checkpoint together."""

    __slots__ = ("dirty", "entities", "offset")

    def __init__(self, offset: int) -> None:
        self.entities: dict[str, EntityState] = {}
        self.offset = offset  #: complete up to here
        self.dirty = False


_encode = msgspec.msgpack.Encoder().encode
_decode_bucket = msgspec.msgpack.Decoder(BucketSnapshot)
_decode_position = msgspec.msgpack.Decoder(Position)


class PartitionState:
    """The entities of one partition, in memory, owned by one worker."""

    def __init__(self, log: str, buckets: int, offset: int = NOWHERE) -> None:
        self._log = log
        self._buckets = [Bucket(offset) for _ in range(buckets)]
        self._written = [offset] * buckets
        self.offset = offset  #: last applied

    @classmethod
    def seeded(cls, log: str, buckets: int, entities: Iterable[tuple[str, EntityState]]) -> PartitionState:
        """Return a partition at the beginning of a log, with entities as they are known from elsewhere."""
        state = cls(log, buckets)
        for name, entity in entities:
            bucket = state._bucket_of(name)
            bucket.entities[name] = entity
        for bucket in state._buckets:
            bucket.dirty = True
        return state

    @classmethod
    def restored(
        cls, log: str, buckets: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> PartitionState | None:
        """Return the partition as a checkpoint of this log has it, or None when there is none.

        Raises MessageError when the checkpoint is of a version, or of a number of buckets, that does not fit.
        """
        if position is None:
            return None
        try:
            found = _decode_position.decode(position)
            if found.log != log:
                return None
            if found.version != VERSION or len(found.buckets) != buckets:
                raise MessageError(
                    f"the checkpoint has version {found.version} and {len(found.buckets)} buckets, this "
                    f"worker {VERSION} and {buckets}; use a new group, or the settings it was made with"
                )
            state = cls(log, buckets, found.offset)
            complete = all(state._restore(number, found, bucket(number)) for number in range(buckets))
        except msgspec.MsgspecError as error:
            raise MessageError(f"the checkpoint cannot be read: {error}") from error
        return state if complete else None

    def _restore(self, number: int, position: Position, data: bytes | None) -> bool:
        """Take in a bucket; return False when the checkpoint lacks it."""
        if data is None:
            return False
        snapshot = _decode_bucket.decode(data)
        if snapshot.log != self._log:
            return False
        bucket = self._buckets[number]
        for one in snapshot.entities:
            datastreams = {observation.datastream: observation for observation in one.datastreams}
            bucket.entities[one.entity] = EntityState(one.revision, datastreams)
        if snapshot.offset < position.buckets[number]:
            # Overwritten by a worker that had lost the partition: replay from where that one was.
            self.offset = min(self.offset, snapshot.offset)
            bucket.offset = snapshot.offset
        else:
            bucket.offset = max(snapshot.offset, position.offset)
        self._written[number] = snapshot.offset
        return True

    def apply(
        self, offset: int, observations: Iterable[Observation], model: CityModel, future_max: Duration
    ) -> Applied:
        """Take in the record at `offset`; return its updates in order."""
        updates: list[Update] = []
        outcomes: Counter[Outcome] = Counter()
        unknown = 0
        datastreams = model.datastreams
        for observation in observations:
            datastream = datastreams.get(observation.datastream)
            if datastream is None:
                unknown += 1
                continue
            bucket = self._bucket_of(datastream.entity)
            if offset <= bucket.offset:
                continue  # the checkpoint has it, and its update was durable before the checkpoint
            entity = bucket.entities.get(datastream.entity)
            if entity is None:
                entity = bucket.entities[datastream.entity] = EntityState()
            outcome, change = entity.observe(observation, model, future_max)
            outcomes[outcome] += 1
            bucket.dirty = True
            if change is not None:
                updates.append(Update.of(change))
        self.offset = max(self.offset, offset)
        return Applied(updates, outcomes, unknown)

    def catch_up(
        self, observations: Iterable[Observation], model: CityModel, future_max: Duration
    ) -> list[Update]:
        """Take in observations that were stored before this log began; return their updates."""
        updates = []
        for observation in observations:
            entity = model.datastreams[observation.datastream].entity
            bucket = self._bucket_of(entity)
            state = bucket.entities.setdefault(entity, EntityState())
            _, change = state.observe(observation, model, future_max)
            if change is not None:
                updates.append(Update.of(change))
        return updates

    def checkpoint(self) -> Checkpoint:
        """Return what to write so that this state can be restored; marks every bucket as written."""
        entries: dict[int, bytes] = {}
        for number, bucket in enumerate(self._buckets):
            if bucket.dirty:
                bucket.dirty = False
                self._written[number] = self.offset
                entries[number] = _encode(
                    BucketSnapshot(
                        VERSION,
                        self._log,
                        self.offset,
                        tuple(
                            EntitySnapshot(name, entity.revision, tuple(entity.datastreams.values()))
                            for name, entity in bucket.entities.items()
                        ),
                    )
                )
        position = Position(VERSION, self._log, self.offset, tuple(self._written))
        return Checkpoint(entries, _encode(position))

    def _bucket_of(self, entity: str) -> Bucket:
        # The low bits chose the partition; the high ones are still evenly spread within it.
        return self._buckets[(crc32(entity.encode()) >> 16) % len(self._buckets)]
