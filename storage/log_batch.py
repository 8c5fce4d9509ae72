"""What one transaction of the historian stores: records of the log, decoded and collapsed to what counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime import topics
from twin import messages
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.messages import QuarantinedMessage, Update
from twin.observation import Observation
from twin.plausibility import Reason

# What of an unreadable record is kept: enough to see what it was.
PAYLOAD_KEPT_BYTES_MAX = 64 * 1024

# What the columns can hold: integer, smallint, bigint.
DATASTREAM_MAX = 2**31 - 1
FLAGS_MAX = 2**15 - 1
COUNT_MAX = 2**63 - 1


class LogRecord(NamedTuple):
    """A record as it lies on the log."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int  #: when it was written, since the epoch
    value: bytes


@dataclass(slots=True)
class LogBatch:
    """The content of records of one log, collapsed: of each key only what the law of conflicts keeps.

    Collapsing here, not in SQL, is cheaper, and one statement may touch a row only once.
    """

    log_id: str
    observations: dict[tuple[int, int], Observation] = field(default_factory=dict)
    updates: dict[tuple[str, str], Update] = field(default_factory=dict)  #: newest revision of each property
    states: dict[int, Observation] = field(default_factory=dict)  #: newest state of each datastream
    quarantined: dict[str, QuarantinedMessage] = field(default_factory=dict)
    reached: dict[tuple[str, int], int] = field(default_factory=dict)  #: (topic, partition) → next offset
    observation_count: int = 0  #: before collapsing, without those refused
    update_count: int = 0
    unreadable_count: int = 0
    bytes: int = 0

    @property
    def rows(self) -> int:
        """How much work the batch is."""
        return self.observation_count + self.update_count + len(self.quarantined)

    def add(self, record: LogRecord) -> None:
        """Take in a record; one that cannot be read, or not wholly stored, is quarantined itself."""
        self.reached[record.topic, record.partition] = record.offset + 1
        self.bytes += len(record.value)
        try:
            if record.topic == topics.OBSERVATIONS:
                self._add_observations(record)
            elif record.topic == topics.UPDATES:
                self._add_updates(record)
            else:
                self._add_quarantined(record)
        except MessageError as error:
            self._quarantine(record, str(error))

    def _add_observations(self, record: LogRecord) -> None:
        known = self.observations
        refused = 0
        taken = messages.OBSERVATIONS.decode(record.value).observations
        for one in taken:
            if not _fits(one):
                refused += 1
                continue
            key = one[:2]
            other = known.get(key)
            # What is left of the tuple is the rank of `twin.datastream_state`: received, value, flags.
            if other is None or one[2:] > other[2:]:
                known[key] = one
        self.observation_count += len(taken) - refused
        if refused:
            self._quarantine(record, f"{refused} of {len(taken)} observations have numbers beyond all bounds")

    def _add_updates(self, record: LogRecord) -> None:
        refused = 0
        taken = messages.UPDATES.decode(record.value).updates
        for one in taken:
            if not _update_fits(one):
                refused += 1
                continue
            newest = self.updates.get((one.entity, one.property))
            if newest is None or one.revision > newest.revision:
                self.updates[one.entity, one.property] = one
            state = self.states.get(one.observation.datastream)
            if state is None or one.observation[1:] > state[1:]:
                self.states[one.observation.datastream] = one.observation
        self.update_count += len(taken) - refused
        if refused:
            self._quarantine(record, f"{refused} of {len(taken)} updates have numbers beyond all bounds")

    def _add_quarantined(self, record: LogRecord) -> None:
        message = messages.QUARANTINE.decode(record.value)
        if not (
            INSTANT_MIN <= message.received_time <= INSTANT_MAX and 0 <= message.payload_bytes <= COUNT_MAX
        ):
            raise MessageError("QuarantinedMessage has numbers beyond all bounds")
        self.quarantined.setdefault(message.id, message)

    def _quarantine(self, record: LogRecord, detail: str) -> None:
        self.unreadable_count += 1
        received_time = record.timestamp_ms * 1000
        checksum = hashlib.sha256(record.value).hexdigest()
        place = f"log:{record.topic}/{record.partition}"
        # The log's identity and the offset are in the id: a replay of the record is the same message.
        identity = messages.quarantine_id(f"{self.log_id}/{place}", checksum, received_time, record.offset)
        self.quarantined[identity] = QuarantinedMessage(
            version=messages.VERSION,
            id=identity,
            feed="",
            topic=place,
            received_time=received_time,
            reason=Reason.DECODER_FAILED,
            detail=f"record at offset {record.offset} of log {self.log_id}: {detail}",
            payload=record.value[:PAYLOAD_KEPT_BYTES_MAX],
            payload_bytes=len(record.value),
            payload_sha256=checksum,
        )


def _fits(one: Observation) -> bool:
    return (
        0 <= one[0] <= DATASTREAM_MAX
        and INSTANT_MIN <= one[1] <= INSTANT_MAX
        and INSTANT_MIN <= one[2] <= INSTANT_MAX
        and 0 <= one[4] <= FLAGS_MAX
    )


def _update_fits(one: Update) -> bool:
    return (
        _fits(one.observation)
        and 0 <= one.revision <= COUNT_MAX
        and INSTANT_MIN <= one.phenomenon_time <= INSTANT_MAX
        and INSTANT_MIN <= one.received_time <= INSTANT_MAX
        and 0 <= one.flags <= FLAGS_MAX
        and all(0 <= datastream <= DATASTREAM_MAX for datastream in one.datastreams)
        and "\0" not in one.entity + one.property
    )
