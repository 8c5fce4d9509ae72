"""The records that the roles write to each other on the log, and their encoding (MessagePack, by msgspec).

Every record starts with the version of its layout, so that a reader refuses what it does not know instead of
misreading it. Structs are arrays on the wire: a field is appended, never moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Generic, TypeVar
from zlib import crc32

import msgspec

from twin.entity_state import Change
from twin.errors import MessageError
from twin.instant import Instant
from twin.observation import Observation

VERSION = 1


class ObservationBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `observations`: observations of entities of one partition, in the order of reception."""

    version: int
    observations: tuple[Observation, ...]


class Update(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The new state of one property of one entity, and the datastream state that changed it.

    `revision` rises by one with each update of the entity. A replay after a crash sends the same updates with
    the same revisions again: whoever has seen a revision of an entity drops it.
    """

    entity: str
    property: str
    revision: int
    value: float
    phenomenon_time: Instant
    received_time: Instant
    flags: int
    datastreams: tuple[int, ...]  #: ids of the datastreams that the value is combined from
    observation: Observation  #: the datastream state that changed

    @classmethod
    def of(cls, change: Change) -> Update:
        """Return the update that tells a change."""
        state = change.state
        return cls(
            change.entity,
            change.property,
            change.revision,
            state.value,
            state.phenomenon_time,
            state.received_time,
            state.flags,
            state.datastreams,
            change.observation,
        )


class UpdateBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `updates`: what one observation record changed, in order."""

    version: int
    updates: tuple[Update, ...]


class QuarantinedMessage(msgspec.Struct, array_like=True, frozen=True):
    """A record on `quarantine`: a message that could not be used, or not wholly, and why."""

    version: int
    id: str
    feed: str  #: empty when no feed knows the topic
    topic: str
    received_time: Instant
    reason: str  #: `twin.plausibility.Reason`
    detail: str
    payload: bytes  #: the beginning of the payload, at most what ingest is set to keep
    payload_bytes: int  #: how long the payload was
    payload_sha256: str  #: hex, of the whole payload


def quarantine_id(topic: str, payload_sha256: str, received_time: Instant, number: int) -> str:
    """Return the id of a quarantined message: the same record twice has one id, two receptions have two.

    `number` counts the messages of one reception time.
    """
    name = f"{topic}\0{payload_sha256}\0{received_time}\0{number}"
    return hashlib.blake2b(name.encode(), digest_size=12).hexdigest()


T = TypeVar("T", ObservationBatch, UpdateBatch, QuarantinedMessage)


class Codec(Generic[T]):
    """Encodes and decodes the records of one type."""

    def __init__(self, record_type: type[T]) -> None:
        self._type: type[T] = record_type
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(record_type)

    def encode(self, record: T) -> bytes:
        """Return the record as bytes."""
        return self._encoder.encode(record)

    def decode(self, data: bytes) -> T:
        """Return the record that the bytes hold; raise MessageError when this version cannot read them."""
        try:
            record: T = self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise MessageError(
                f"{self._type.__name__} of {len(data)} bytes cannot be read: {error}"
            ) from error
        if record.version != VERSION:
            raise MessageError(
                f"{self._type.__name__} has version {record.version}, this program reads version {VERSION}; "
                "upgrade it, or drain the log before the upgrade"
            )
        return record


OBSERVATIONS: Codec[ObservationBatch] = Codec(ObservationBatch)
UPDATES: Codec[UpdateBatch] = Codec(UpdateBatch)
QUARANTINE: Codec[QuarantinedMessage] = Codec(QuarantinedMessage)


def encode_observations(observations: Sequence[Observation]) -> bytes:
    """Return an observation record as bytes."""
    return OBSERVATIONS.encode(ObservationBatch(VERSION, tuple(observations)))


def partition_of(entity: str, partitions: int) -> int:
    """Return the partition that an entity lives in; the same in every process and for ever.

    >>> partition_of("alkmaar.overdie", 4)
    1
    """
    return crc32(entity.encode()) % partitions
