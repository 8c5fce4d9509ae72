"""The records that the roles write to each other on the log, and their encoding (MessagePack, by msgspec).

Every record starts with the version of its layout, so that a reader refuses what it does not know instead of
misreading it. Structs are arrays on the wire: a field is appended, never moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

import msgspec

from twin.errors import MessageError
from twin.instant import Duration, Instant
from twin.model.observation import LastGoodValue, Observation
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.state.window import Aggregate
from twin.wire.codec import DECODE_ERRORS, LAYOUT_VERSION, Codec
from twin.wire.probe import Probe


class ObservationBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `observations`: observations of entities of one partition, in the order of reception.

    A record without observations is a tick: it tells that time has passed. What is known of the messages
    that the observations came in is encoded apart, since the stream does not look at it.
    """

    version: int
    observations: tuple[Observation, ...]
    time: Instant  #: when ingest made the record: the log's clock
    headers: bytes = b""  #: `MESSAGE_HEADERS`; empty in a tick
    payloads: bytes = b""  #: `PAYLOADS`: one for each header, in order; empty where they are not kept
    verdicts: tuple[
        NeighbourVerdict, ...
    ] = ()  #: of neighbours; the stage of areas writes them, in records of their own
    probes: tuple[Probe, ...] = ()


class MessageHeader(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One MQTT message, as it was received: where its observations come from.

    Its observations are the next `observations` ones of the batch, behind those of the messages before it.
    """

    #: number of the message within the session of ingest, from 0. -1: not a reception but the replay of a
    #: quarantined message, which was received, and counted, before
    sequence: int
    received_time: Instant
    topic: str
    feed: str
    device: str  #: what the feed calls it
    decoder: str
    decoder_version: int
    observations: int  #: how many it held; those refused are in its quarantined message
    payload_bytes: int
    payload_sha256: bytes  #: of the whole payload


class MessageHeaders(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The messages of one observation record."""

    session: str  #: names one run of one ingest process: sequence numbers count within it
    messages: tuple[MessageHeader, ...]


class Assessment(NamedTuple):
    """What the judgement of an observation found beyond what the device said. A later one replaces it."""

    datastream: int
    phenomenon_time: Instant
    flags: int  #: `QualityFlag`, without those that follow from the times; 0: nothing any more
    revision: Instant  #: log time of the judgement


class WindowRepair(NamedTuple):
    """An observation that came too late for the windows in memory: storage makes them again from raw."""

    datastream: int
    phenomenon_time: Instant


class AggregateBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `aggregates`: what became of windows and judgements of one partition at one log time."""

    version: int
    time: Instant
    offset: int  #: in `observations` of the same partition: everything up to it is in the numbers
    aggregates: tuple[Aggregate, ...]
    assessments: tuple[Assessment, ...]
    repairs: tuple[WindowRepair, ...]


class AreaInput(NamedTuple):
    """What one entity, or one area, tells the area that it belongs to."""

    area: str
    source: str  #: the entity that tells
    name: str  #: of the property or indicator
    value: float | None  #: None: it has nothing to tell any more
    phenomenon_time: Instant
    flags: int  #: DISAGREES beside a value: neighbours have outvoted it
    weight: int  #: connections or sensors behind the value; 0: passed on for judgement by neighbours alone
    valid_until: Instant  #: by event time: from then on it does not speak for the present any more
    revision: (
        int  #: of the source when it told this: a state may go back in time when its newest value is judged
    )


class AreaInputBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `area-inputs`: inputs of areas of one partition."""

    version: int
    time: Instant
    inputs: tuple[AreaInput, ...]


class UpdateKind(IntEnum):
    """What a value is."""

    OBSERVED = 0  #: a property of an entity, combined from its datastreams
    INDICATOR = 1  #: derived: an indicator, a roll-up, or the published sum of households
    PERSONAL = 2  #: a household's: only the datastream state is told, to those who may read it


class Update(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The new state of one property of one entity, and the datastream state that changed it.

    `revision` rises by one with each update of the entity. A replay after a crash sends the same updates with
    the same revisions again: whoever has seen a revision of an entity drops it.
    """

    entity: str
    property: str
    revision: int
    value: float  #: NaN in personal data
    phenomenon_time: Instant
    received_time: Instant
    flags: int
    datastreams: tuple[int, ...]  #: ids of the datastreams that the value is combined from
    #: the datastream state that changed: judged and calibrated. None in an indicator
    observation: Observation | None
    kind: UpdateKind = UpdateKind.OBSERVED
    last_good: LastGoodValue | None = None  #: beside a value that is suspect
    #: ids of datastreams that disagree with the others and take no part; of an area, those of its entities
    deviating: tuple[int, ...] = ()
    count: int = 1  #: of datastreams or connections behind the value
    interval: Duration = 0  #: how often an indicator is made anew; 0: as often as its datastreams report


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
    reason: str  #: `twin.quality.plausibility.QuarantineReason`
    detail: str
    payload: bytes  #: the beginning of the payload, at most what ingest is set to keep
    payload_bytes: int  #: how long the payload was
    payload_sha256: str  #: hex, of the whole payload
    session: str  #: as in `MessageHeaders`; empty for a record of the log itself
    sequence: int  #: as in `MessageHeader`
    observations: int  #: how many observations of the message could be used: it is then in `observations` too
    device: str = ""  #: what the feed calls it; empty where it could not be told
    decoder: str = ""
    decoder_version: int = 0
    #: id of the quarantined message that this is a new try of; `reason` is empty when it went well
    replay_of: str = ""


def quarantine_id(topic: str, payload_sha256: str, received_time: Instant, number: int) -> str:
    """Return the id of a quarantined message: the same record twice has one id, two receptions have two.

    `number` counts the messages of one reception time.
    """
    name = f"{topic}\0{payload_sha256}\0{received_time}\0{number}"
    return hashlib.blake2b(name.encode(), digest_size=12).hexdigest()


OBSERVATIONS: Codec[ObservationBatch] = Codec(ObservationBatch)
UPDATES: Codec[UpdateBatch] = Codec(UpdateBatch)
QUARANTINE: Codec[QuarantinedMessage] = Codec(QuarantinedMessage)
AGGREGATES: Codec[AggregateBatch] = Codec(AggregateBatch)
AREA_INPUTS: Codec[AreaInputBatch] = Codec(AreaInputBatch)


def encode_verdicts(verdicts: Sequence[NeighbourVerdict], time: Instant) -> bytes:
    """Return a record on `observations` that holds nothing but verdicts as bytes."""
    return OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, (), time, verdicts=tuple(verdicts)))


_encode = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(MessageHeaders).decode
_decode_payloads = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


def encode_headers(headers: MessageHeaders) -> bytes:
    """Return message headers as `ObservationBatch` carries them."""
    return _encode(headers)


def decode_headers(data: bytes) -> MessageHeaders:
    """Return what `encode_headers` was given; raise MessageError when the bytes are not that."""
    try:
        return _decode_headers(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"message headers of {len(data)} bytes cannot be read: {error}") from error


def encode_payloads(payloads: Sequence[bytes]) -> bytes:
    """Return payloads as `ObservationBatch` carries them."""
    return _encode(tuple(payloads))


def decode_payloads(data: bytes) -> tuple[bytes, ...]:
    """Return what `encode_payloads` was given; raise MessageError when the bytes are not that."""
    try:
        return _decode_payloads(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"payloads of {len(data)} bytes cannot be read: {error}") from error


def partition_of(entity: str, partitions: int) -> int:
    """Return the partition that an entity lives in; the same in every process and for ever.

    >>> partition_of("alkmaar.overdie", 4)
    1
    """
    return crc32(entity.encode()) % partitions
