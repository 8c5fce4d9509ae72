"""The records that the roles exchange over the log, and their encoding (MessagePack, by msgspec).

Every record starts with the version of its layout, so that a reader refuses an unknown layout instead of
misreading it. Structs are encoded as arrays: append fields, never move them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

import msgspec

from twin.errors import MessageError
from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.observation import LastGoodValue, Observation
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.state.preceding_history import StoredHistory
from twin.state.window import Aggregate
from twin.wire.codec import DECODE_ERRORS, LAYOUT_VERSION, Codec
from twin.wire.probe import Probe


class SeriesPoint(NamedTuple):
    """A stored point of a derived series of an entity."""

    entity: str
    name: str
    phenomenon_time: Instant
    value: float
    flags: int
    count: int  # type: ignore[assignment]  #: of inputs


class ObservationBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `observations`: observations of entities of one partition, in the order of reception.

    A record without observations is a tick: only the time has advanced. The headers of the MQTT messages are
    encoded separately, because the stream does not read them.
    """

    version: int
    observations: tuple[Observation, ...]
    time: Instant  #: when ingest made the record: the clock of the log
    headers: bytes = b""  #: `MESSAGE_HEADERS`; empty in a tick
    payloads: bytes = b""  #: `PAYLOADS`: one for each header, in order; empty where they are not kept
    #: the area stage writes verdicts, in records without observations
    verdicts: tuple[NeighbourVerdict, ...] = ()
    probes: tuple[Probe, ...] = ()
    #: windows that storage has repaired: they replace those in memory
    aggregates: tuple[Aggregate, ...] = ()
    #: what storage has found, in repairs, of the observations before those in memory
    histories: tuple[StoredHistory, ...] = ()
    is_closing: bool = False  #: the log ends: what waits for a later time is emitted
    #: the newest points of series that storage has computed: states that the stream cannot compute
    points: tuple[SeriesPoint, ...] = ()


class MessageHeader(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One MQTT message as received: the source of its observations.

    Its observations are the next `observations` ones of the batch, after those of the previous messages.
    """

    #: number of the message within the session of ingest, from 0. -1: a replayed quarantined message, which
    #: was received and counted before
    sequence: int
    received_time: Instant
    topic: str
    feed: str
    device: str  #: its id in the feed
    decoder: str
    decoder_version: int
    observations: int  #: how many were accepted; the quarantined message has the refused ones
    payload_bytes: int
    payload_sha256: bytes  #: of the whole payload
    rank: int = 0  #: of its observations; each repetition of a key in the message adds one


class MessageHeaders(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The messages of one observation record."""

    session: str  #: identifies one run of one ingest process; sequence numbers count within it
    messages: tuple[MessageHeader, ...]


class Assessment(NamedTuple):
    """The flags that the quality check adds to an observation. A later assessment replaces it."""

    datastream: int
    phenomenon_time: Instant
    flags: int  #: `QualityFlag`s without `TIME_FLAGS`; 0 withdraws an earlier assessment
    revision: Instant  #: log time of the check


class WindowRepair(NamedTuple):
    """An observation that came too late for the windows in memory: storage recomputes them from raw data."""

    datastream: int
    phenomenon_time: Instant


class AggregateBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `aggregates`: windows and assessments of one partition at one log time."""

    version: int
    time: Instant
    offset: int  #: in `observations` of the same partition: observations up to it are included
    aggregates: tuple[Aggregate, ...]
    assessments: tuple[Assessment, ...]
    repairs: tuple[WindowRepair, ...]


class LaterValue(NamedTuple):
    """The value of an area in later slots, when some of its entities no longer count and none spoke again."""

    value: float
    flags: int
    weight: int
    members: int
    valid_until: Instant  #: start of the last slot in which it counts


class AreaInput(NamedTuple):
    """The value that one entity, or one area, sends to its area for one slot."""

    area: str
    source: str  #: the entity that sends it
    name: str  #: of the property or indicator
    value: float | None  #: None: suspect by `flags`; without such a flag it withdraws the input
    phenomenon_time: Instant
    flags: int
    #: connections or sensors behind the value; 0: only for the comparison of neighbours; -1: the area above
    #: has outvoted the source in this slot; -2: storage computes what the source sent for the slots from
    #: `slot` to `valid_until`; -3: of the area itself, from storage: its newest point is `later`, of `slot`
    weight: int
    valid_until: Instant  #: start of the last slot in which it counts, unless a newer input follows
    revision: int  #: of the source; a later input of a slot has at least that of the one before
    #: start of the slot that it counts in (`twin.model.names.series_interval`); an input of version 0.1 has
    #: none
    slot: Instant = INSTANT_MIN
    members: int = 1  #: entities behind the value
    later: tuple[LaterValue, ...] = ()  #: what remains of the value after `valid_until`, ascending
    by: str = ""  #: with the weight -1: the area that has outvoted the source
    #: whether the source had other values in the slot since the input before, which it did not send: storage
    #: may have computed the point of the slot from one of them
    skips: bool = False


class AreaInputBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `area-inputs`: inputs of areas of one partition."""

    version: int
    time: Instant
    inputs: tuple[AreaInput, ...]
    #: whether they repeat what was sent in an earlier log, and so change no slot that is stored already
    repeated: bool = False
    #: of the entities that have sent them, on `observations`: `time` rises in it; -1: of areas, or a repair
    partition: int = -1
    part: int = 0  #: number of the record among those that the sender sends at this time to a partition


class UpdateKind(IntEnum):
    """The kind of a value."""

    OBSERVED = 0  #: a property of an entity, combined from its datastreams
    INDICATOR = 1  #: derived: an indicator, a roll-up, or the published sum of households
    PERSONAL = 2  #: of a household: only the datastream state, for roles that may read it
    #: derived as `INDICATOR`, but not the newest of its series: only history changes. NaN withdraws the value
    AMENDMENT = 3


UNSENT_KINDS = frozenset({UpdateKind.PERSONAL, UpdateKind.AMENDMENT})
"""Kinds that the live stream sends to nobody."""


class Update(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The new state of one property of one entity, and the datastream state that changed it.

    `revision` rises by one with each update of the entity. A replay after a crash sends the same updates with
    the same revisions again: a reader drops a revision that it has already seen.
    """

    entity: str
    property: str
    revision: int
    value: float  #: NaN in personal data, and in an amendment that withdraws a value
    phenomenon_time: Instant
    received_time: Instant
    flags: int
    datastreams: tuple[int, ...]  #: ids of the datastreams that the value is combined from
    #: the datastream state that changed: calibrated and checked. None in an indicator
    observation: Observation | None
    kind: UpdateKind = UpdateKind.OBSERVED
    last_good: LastGoodValue | None = None  #: beside a value that is suspect
    #: ids of datastreams left out because they disagree with the others; of an area, of its entities
    deviating: tuple[int, ...] = ()
    count: int = 1  #: of datastreams or connections behind the value
    interval: Duration = 0  #: between two values of an indicator; 0: as its datastreams report
    members: int = 0  #: of an area: entities behind the value
    members_expected: int = 0  #: of an area: entities that have such a value by the model; 0: not an area
    preliminary: bool = False  #: of an area: the slot is the newest, and others may still report in it


class SeriesRepair(NamedTuple):
    """A span of a derived series that the stream cannot compute any more: storage computes it again."""

    entity: str
    name: str  #: of the derived value; empty: every one of the entity
    #: phenomenon time of the first value that may change; INSTANT_MIN: that of the first that has inputs
    start: Instant
    end: Instant  #: exclusive


class UpdateBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `updates`: the updates that one observation record caused, in order."""

    version: int
    updates: tuple[Update, ...]
    repairs: tuple[SeriesRepair, ...] = ()
    #: in `observations` of the same partition: observations up to it are included, and a record on
    #: `aggregates` has the same offset; -1 in a record of areas, or without derived values, repairs and
    #: assessments
    offset: int = -1


class QuarantinedMessage(msgspec.Struct, array_like=True, frozen=True):
    """A record on `quarantine`: a message that was refused, wholly or in part, and why."""

    version: int
    id: str
    feed: str  #: empty when no feed knows the topic
    topic: str
    received_time: Instant
    reason: str  #: `twin.quality.plausibility.QuarantineReason`
    detail: str
    payload: bytes  #: the beginning of the payload, as long as the setting of ingest allows
    payload_bytes: int  #: length of the whole payload
    payload_sha256: str  #: hex, of the whole payload
    session: str  #: as in `MessageHeaders`; empty for a record of the log itself
    sequence: int  #: as in `MessageHeader`
    observations: int  #: how many observations of the message were accepted; they are in `observations`
    device: str = ""  #: its id in the feed; empty where it is not known
    decoder: str = ""
    decoder_version: int = 0
    #: id of the quarantined message that this replays; `reason` is empty when the replay succeeded
    replay_of: str = ""
    rank: int = 0  #: of its observations


SESSION_TOPIC = "mqtt:session"
"""Topic of an entry of quarantine about the session of ingest itself; `session` is empty."""


def quarantine_id(topic: str, payload_sha256: str, received_time: Instant, number: int) -> str:
    """Return the id of a quarantined message: equal for a repeated record, different for two receptions.

    `number` counts the messages of one reception time.
    """
    name = f"{topic}\0{payload_sha256}\0{received_time}\0{number}"
    return hashlib.blake2b(name.encode(), digest_size=12).hexdigest()


OBSERVATIONS: Codec[ObservationBatch] = Codec(ObservationBatch)
UPDATES: Codec[UpdateBatch] = Codec(UpdateBatch)
QUARANTINE: Codec[QuarantinedMessage] = Codec(QuarantinedMessage)
AGGREGATES: Codec[AggregateBatch] = Codec(AggregateBatch)
AREA_INPUTS: Codec[AreaInputBatch] = Codec(AreaInputBatch)


def encode_closing() -> bytes:
    """Return the content of a record after which a log may end; its time does not advance."""
    return OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, is_closing=True))


def encode_verdicts(verdicts: Sequence[NeighbourVerdict], time: Instant) -> bytes:
    """Return a record on `observations` that holds only verdicts, as bytes."""
    return OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, (), time, verdicts=tuple(verdicts)))


_encode = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(MessageHeaders).decode
_decode_payloads = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


def encode_headers(headers: MessageHeaders) -> bytes:
    """Return message headers as `ObservationBatch` carries them."""
    return _encode(headers)


def decode_headers(data: bytes) -> MessageHeaders:
    """Return the message headers; raise MessageError when the bytes cannot be read."""
    try:
        return _decode_headers(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"message headers of {len(data)} bytes cannot be read: {error}") from error


def encode_payloads(payloads: Sequence[bytes]) -> bytes:
    """Return payloads as `ObservationBatch` carries them."""
    return _encode(tuple(payloads))


def decode_payloads(data: bytes) -> tuple[bytes, ...]:
    """Return the payloads; raise MessageError when the bytes cannot be read."""
    try:
        return _decode_payloads(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"payloads of {len(data)} bytes cannot be read: {error}") from error


def partition_of(entity: str, partitions: int) -> int:
    """Return the partition of an entity; equal in every process and release.

    >>> partition_of("alkmaar.overdie", 4)
    1
    """
    return crc32(entity.encode()) % partitions
