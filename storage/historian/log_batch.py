"""What one transaction of the historian stores: records of the log, decoded and collapsed to what counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from runtime.kafka import topics
from runtime.telemetry.tracing import TraceContext
from storage.column_limits import COUNT_MAX, DATASTREAM_ID_MAX, FLAGS_MAX, INTEGER_MAX
from storage.historian.alarm_buffer import AlarmBuffer
from storage.historian.observation_buffer import ObservationBuffer
from storage.historian.update_buffer import UpdateBuffer
from storage.stores.log_positions import AGGREGATE_PROGRESS
from twin.errors import MessageError
from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.datastream_policy import WINDOW_SIZES
from twin.quality.plausibility import QuarantineReason
from twin.state.window import Aggregate, window_start
from twin.wire import messages
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Assessment, QuarantinedMessage

# What of an unreadable record is kept: all of it, so that the version that wrote it can read it still.
# `ingest.pipeline.publisher.REQUEST_BYTES_MAX` bounds records.
PAYLOAD_KEPT_BYTES_MAX = 1024 * 1024


class LogRecord(NamedTuple):
    """A record as it lies on the log."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int  #: when it was written, since the epoch
    value: bytes


class RepairRequest(NamedTuple):
    """An hour of a datastream that is to be made again."""

    partition: int
    log_offset: int  #: in `observations`: what the repair is for lies at or before it
    requested_at: Instant  #: log time


@dataclass(slots=True)
class LogBatch:
    """The content of records of one log, collapsed: of what is replaced as a whole only the newest.

    Collapsing here, not in SQL, is cheaper, and one statement may touch a row only once.
    """

    log_id: str
    observation_buffer: ObservationBuffer = field(default_factory=ObservationBuffer)
    update_buffer: UpdateBuffer = field(
        default_factory=UpdateBuffer
    )  #: of `updates`, perhaps from batches before, too
    #: newest revision of each window, by size, datastream and start
    aggregates: dict[tuple[int, int, Instant], Aggregate] = field(default_factory=dict)
    assessments: dict[tuple[int, Instant], Assessment] = field(default_factory=dict)
    repairs: dict[tuple[int, Instant], RepairRequest] = field(default_factory=dict)  #: by datastream and hour
    alarm_buffer: AlarmBuffer = field(default_factory=AlarmBuffer)
    quarantined: dict[str, QuarantinedMessage] = field(default_factory=dict)
    replay_answers: dict[str, QuarantinedMessage] = field(
        default_factory=dict
    )  #: answers, by the message replayed
    #: (topic, partition) → next offset; those of `updates` are with what they told
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    derived_count: int = 0  #: aggregates, assessments and repair requests, before collapsing
    unreadable_count: int = 0
    bytes: int = 0
    oldest_ms: int | None = None  #: when the oldest and the newest of its records were written
    newest_ms: int | None = None
    traced: list[TraceContext] = field(default_factory=list)  #: of its records that carry a followed message

    @property
    def rows(self) -> int:
        """How much work the batch is, without the updates."""
        return (
            self.observation_buffer.count
            + self.derived_count
            + self.alarm_buffer.count
            + len(self.quarantined)
            + len(self.replay_answers)
        )

    @property
    def next_offsets(self) -> dict[tuple[str, int], int]:
        """The first offset of each partition that is not in the batch, of those that it goes on in."""
        return self.offsets | self.update_buffer.next_offsets

    def add(self, record: LogRecord) -> None:
        """Take in a record; one that cannot be read, or not wholly stored, is quarantined itself."""
        passed = self.update_buffer.next_offsets if record.topic == topics.UPDATES else self.offsets
        passed[record.topic, record.partition] = record.offset + 1
        self.bytes += len(record.value)
        try:
            match record.topic:
                case topics.OBSERVATIONS:
                    faults = self._add_observations(record)
                case topics.UPDATES:
                    faults = self.update_buffer.add(record.value)
                case topics.AGGREGATES:
                    faults = self._add_aggregates(record)
                case topics.ALARMS:
                    faults = self.alarm_buffer.add_alarm_record(record.value)
                case topics.NOTIFICATIONS:
                    faults = self.alarm_buffer.add_notification_record(record.value)
                case _:
                    faults = self._add_quarantined(record)
        except MessageError as error:
            faults = [str(error)]
        if faults:
            self._quarantine(record, "; ".join(faults))

    def _add_observations(self, record: LogRecord) -> list[str]:
        batch = messages.OBSERVATIONS.decode(record.value)
        return self.observation_buffer.add(batch, record.partition, record.offset)

    def _add_aggregates(self, record: LogRecord) -> list[str]:
        batch = messages.AGGREGATES.decode(record.value)
        if not (INSTANT_MIN <= batch.time <= INSTANT_MAX and -1 <= batch.offset <= COUNT_MAX):
            raise MessageError("AggregateBatch has numbers beyond all bounds")
        told = AGGREGATE_PROGRESS, record.partition
        self.offsets[told] = max(batch.offset + 1, self.offsets.get(told, 0))
        refused = 0
        for one in batch.aggregates:
            if _aggregate_fits(one):
                _keep_newest(self.aggregates, (one.size, one.datastream, one.start), one)
            else:
                refused += 1
        for judged in batch.assessments:
            if _assessment_fits(judged):
                _keep_newest(self.assessments, judged[:2], judged)
            else:
                refused += 1
        for datastream, time in batch.repairs:
            if 0 <= datastream <= DATASTREAM_ID_MAX and INSTANT_MIN + HOUR <= time <= INSTANT_MAX:
                hour = datastream, window_start(time, HOUR)
                known = self.repairs.get(hour)
                if known is None or batch.offset > known.log_offset:
                    self.repairs[hour] = RepairRequest(record.partition, batch.offset, batch.time)
            else:
                refused += 1
        count = len(batch.aggregates) + len(batch.assessments) + len(batch.repairs)
        self.derived_count += count - refused
        return [f"{refused} of {count} entries have numbers beyond all bounds"] if refused else []

    def _add_quarantined(self, record: LogRecord) -> list[str]:
        message = messages.QUARANTINE.decode(record.value)
        if not (
            INSTANT_MIN <= message.received_time <= INSTANT_MAX
            and 0 <= message.payload_bytes <= COUNT_MAX
            and -COUNT_MAX <= message.sequence <= COUNT_MAX
            and 0 <= message.observations <= COUNT_MAX
            and 0 <= message.decoder_version <= INTEGER_MAX
        ):
            raise MessageError("QuarantinedMessage has numbers beyond all bounds")
        if message.replay_of:
            self.replay_answers[message.replay_of] = message
            return []
        self.quarantined.setdefault(message.id, message)
        if message.session and message.sequence >= 0 and not message.observations:
            # Where some of it could be used, its header in `observations` counts it.
            source = self.observation_buffer.feed_minute_number(message.feed, message.received_time)
            self.observation_buffer.messages[message.session].add(
                [message.sequence], [source], accepted=False
            )
        return []

    def _quarantine(self, record: LogRecord, detail: str) -> None:
        self.unreadable_count += 1
        received_time = record.timestamp_ms * 1000
        checksum = hashlib.sha256(record.value).hexdigest()
        place = f"log:{record.topic}/{record.partition}"
        # The log's identity and the offset are in the id: a replay of the record is the same message.
        identity = messages.quarantine_id(f"{self.log_id}/{place}", checksum, received_time, record.offset)
        held = record.topic == topics.UPDATES
        (self.update_buffer.unreadable if held else self.quarantined)[identity] = QuarantinedMessage(
            version=LAYOUT_VERSION,
            id=identity,
            feed="",
            topic=place,
            received_time=received_time,
            reason=QuarantineReason.DECODER_FAILED,
            detail=f"record at offset {record.offset} of log {self.log_id}: {detail}",
            payload=record.value[:PAYLOAD_KEPT_BYTES_MAX],
            payload_bytes=len(record.value),
            payload_sha256=checksum,
            session="",
            sequence=0,
            observations=0,
        )


class _Revised(Protocol):
    @property
    def revision(self) -> int: ...


K = TypeVar("K")
R = TypeVar("R", bound=_Revised)


def _keep_newest(known: dict[K, R], key: K, one: R) -> None:
    other = known.get(key)
    if other is None or one.revision > other.revision:
        known[key] = one


def _aggregate_fits(one: Aggregate) -> bool:
    return (
        one.size in WINDOW_SIZES
        and 0 <= one.datastream <= DATASTREAM_ID_MAX
        and INSTANT_MIN <= one.start <= INSTANT_MAX
        and 0 <= one.revision <= COUNT_MAX
        and 0 <= one.count <= INTEGER_MAX
        and 0 <= one.suspect <= INTEGER_MAX
        and 0 <= one.flags <= FLAGS_MAX
    )


def _assessment_fits(one: Assessment) -> bool:
    return (
        0 <= one.datastream <= DATASTREAM_ID_MAX
        and INSTANT_MIN <= one.phenomenon_time <= INSTANT_MAX
        and 0 <= one.flags <= FLAGS_MAX
        and 0 <= one.revision <= COUNT_MAX
    )
