"""The content of one transaction of the historian: records of the log, decoded and collapsed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.kafka import topics
from runtime.telemetry.tracing import TraceContext
from storage.column_limits import COUNT_MAX, DATASTREAM_ID_MAX, FLAGS_MAX, INTEGER_MAX
from storage.historian.alarm_buffer import AlarmBuffer
from storage.historian.observation_buffer import ObservationBuffer
from storage.historian.revisions import keep_newest
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

# Unreadable records are kept whole, so that the version that wrote them can still read them.
# `ingest.pipeline.publisher.REQUEST_BYTES_MAX` bounds records.
PAYLOAD_KEPT_BYTES_MAX = 1024 * 1024


class LogRecord(NamedTuple):
    """A record as it was read from the log."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int  #: time of writing, since the epoch
    value: bytes


class RepairRequest(NamedTuple):
    """A request to recompute an hour of a datastream."""

    partition: int
    log_offset: int  #: in `observations`: the observations that need the repair are at or before it
    requested_at: Instant  #: log time


@dataclass(slots=True)
class LogBatch:
    """The content of records of one log, collapsed to the newest revision of each row.

    Collapsing here is cheaper than in SQL, where one statement may change a row only once.
    """

    log_id: str
    observation_buffer: ObservationBuffer = field(default_factory=ObservationBuffer)
    #: may hold updates of earlier batches, too
    update_buffer: UpdateBuffer = field(default_factory=UpdateBuffer)
    #: newest revision of each window, by size, datastream and start
    aggregates: dict[tuple[int, int, Instant], Aggregate] = field(default_factory=dict)
    assessments: dict[tuple[int, Instant], Assessment] = field(default_factory=dict)
    repairs: dict[tuple[int, Instant], RepairRequest] = field(default_factory=dict)  #: by datastream and hour
    alarm_buffer: AlarmBuffer = field(default_factory=AlarmBuffer)
    quarantined: dict[str, QuarantinedMessage] = field(default_factory=dict)
    #: by the id of the replayed message
    replay_answers: dict[str, QuarantinedMessage] = field(default_factory=dict)
    #: (topic, partition) → next offset, without `updates`, whose offsets are in `update_buffer`
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    derived_count: int = 0  #: aggregates, assessments and repair requests, before collapsing
    unreadable_count: int = 0
    bytes: int = 0
    oldest_ms: int | None = None  #: time of writing of the oldest and of the newest record
    newest_ms: int | None = None
    traced: list[TraceContext] = field(default_factory=list)  #: of records with a traced message

    @property
    def rows(self) -> int:
        """The number of rows to write, without those of the updates."""
        return (
            self.observation_buffer.count
            + self.derived_count
            + self.alarm_buffer.count
            + len(self.quarantined)
            + len(self.replay_answers)
        )

    @property
    def next_offsets(self) -> dict[tuple[str, int], int]:
        """The next offset of each (topic, partition) that the batch has records of."""
        return self.offsets | self.update_buffer.next_offsets

    def add(self, record: LogRecord) -> None:
        """Add a record; quarantine the record itself when it cannot be read, or not be stored completely."""
        offsets = self.update_buffer.next_offsets if record.topic == topics.UPDATES else self.offsets
        offsets[record.topic, record.partition] = record.offset + 1
        self.bytes += len(record.value)
        try:
            match record.topic:
                case topics.OBSERVATIONS:
                    faults = self._add_observations(record)
                case topics.UPDATES:
                    faults = self.update_buffer.add(record.value, record.partition)
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
            raise MessageError("AggregateBatch has values outside the column limits")
        progress = AGGREGATE_PROGRESS, record.partition
        self.offsets[progress] = max(batch.offset + 1, self.offsets.get(progress, 0))
        refused = 0
        for aggregate in batch.aggregates:
            if _aggregate_fits(aggregate):
                keep_newest(
                    self.aggregates, (aggregate.size, aggregate.datastream, aggregate.start), aggregate
                )
            else:
                refused += 1
        for assessment in batch.assessments:
            if _assessment_fits(assessment):
                keep_newest(self.assessments, assessment[:2], assessment)
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
        return [f"{refused} of {count} entries have values outside the column limits"] if refused else []

    def _add_quarantined(self, record: LogRecord) -> list[str]:
        message = messages.QUARANTINE.decode(record.value)
        if not (
            INSTANT_MIN <= message.received_time <= INSTANT_MAX
            and 0 <= message.payload_bytes <= COUNT_MAX
            and -COUNT_MAX <= message.sequence <= COUNT_MAX
            and 0 <= message.observations <= COUNT_MAX
            and 0 <= message.decoder_version <= INTEGER_MAX
        ):
            raise MessageError("QuarantinedMessage has values outside the column limits")
        if message.replay_of:
            self.replay_answers[message.replay_of] = message
            return []
        self.quarantined.setdefault(message.id, message)
        if message.session and message.sequence >= 0 and not message.observations:
            # A message with usable observations is counted by its header in `observations`.
            feed_minute = self.observation_buffer.feed_minute_number(message.feed, message.received_time)
            self.observation_buffer.messages[message.session].add(
                [message.sequence], [feed_minute], accepted=False
            )
        return []

    def _quarantine(self, record: LogRecord, detail: str) -> None:
        self.unreadable_count += 1
        received_time = record.timestamp_ms * 1000
        checksum = hashlib.sha256(record.value).hexdigest()
        source = f"log:{record.topic}/{record.partition}"
        # The id contains the log's identity and the offset: reading the record again yields the same id.
        identity = messages.quarantine_id(f"{self.log_id}/{source}", checksum, received_time, record.offset)
        is_update = record.topic == topics.UPDATES
        (self.update_buffer.unreadable if is_update else self.quarantined)[identity] = QuarantinedMessage(
            version=LAYOUT_VERSION,
            id=identity,
            feed="",
            topic=source,
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


def _aggregate_fits(aggregate: Aggregate) -> bool:
    return (
        aggregate.size in WINDOW_SIZES
        and 0 <= aggregate.datastream <= DATASTREAM_ID_MAX
        and INSTANT_MIN <= aggregate.start <= INSTANT_MAX
        and 0 <= aggregate.revision <= COUNT_MAX
        and 0 <= aggregate.count <= INTEGER_MAX
        and 0 <= aggregate.suspect <= INTEGER_MAX
        and 0 <= aggregate.flags <= FLAGS_MAX
    )


def _assessment_fits(assessment: Assessment) -> bool:
    return (
        0 <= assessment.datastream <= DATASTREAM_ID_MAX
        and INSTANT_MIN <= assessment.phenomenon_time <= INSTANT_MAX
        and 0 <= assessment.flags <= FLAGS_MAX
        and 0 <= assessment.revision <= COUNT_MAX
    )
