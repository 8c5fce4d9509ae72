"""Records for the log: what became of messages, cut so that each record is bounded and no message is divided.

A record's time is the clock of this process when the record was made, and rises strictly in each partition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ingest.pipeline.intake import ProcessedMessage
from ingest.pipeline.traces import BatchTrace
from runtime.clock import Clock
from runtime.kafka.topics import OBSERVATIONS, QUARANTINE
from runtime.telemetry.tracing import RecordHeaders
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS as OBSERVATIONS_CODEC
from twin.wire.messages import QUARANTINE as QUARANTINE_CODEC
from twin.wire.messages import MessageHeaders, ObservationBatch, encode_headers, encode_payloads
from twin.wire.probe import Probe

# The most that the stream processor does between two looks at its heartbeat (2,000 × 10 us = 20 ms). A
# message that holds more is a record of its own; `MESSAGE_OBSERVATIONS_MAX` of them fit without its payload.
RECORD_OBSERVATIONS_MAX = 2_000

# Kafka's default message.max.bytes is 1 MiB; a quarter is left for what the estimate below does not count.
RECORD_BYTES_MAX = 768 * 1024

# MessagePack: the array, a 32-bit id, two 64-bit times, a float and 16 bits of flags are 36.
OBSERVATION_BYTES_MAX = 40
# MessagePack: a header without its texts, and the beginning of its payload.
HEADER_BYTES_MAX = 96


class OutgoingRecord(NamedTuple):
    """A record that waits to be sent."""

    topic: str
    partition: int
    value: bytes
    headers: RecordHeaders = ()  #: of a record that carries a followed message


class RecordBuilder:
    """Makes the records of one run of ingest."""

    def __init__(self, session: str, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._times: defaultdict[int, Instant] = defaultdict(int)

    def records(
        self, batch: Iterable[ProcessedMessage], trace: BatchTrace | None = None
    ) -> Iterator[OutgoingRecord]:
        """Yield the records that carry all of a batch; in each partition in the order of the batch."""
        by_partition: defaultdict[int, list[ProcessedMessage]] = defaultdict(list)
        for taken in batch:
            if taken.observations:
                by_partition[taken.partition].append(taken)
            if taken.quarantined is not None:
                refused = taken.quarantined
                followed = (
                    trace.record_headers(QUARANTINE, 0, [refused.sequence]) if trace is not None else ()
                )
                yield OutgoingRecord(QUARANTINE, 0, QUARANTINE_CODEC.encode(refused), followed)
        for partition, messages in by_partition.items():
            for part in _split_into_records(messages):
                yield self._record(partition, part, trace)

    def tick_record(self, partition: int) -> OutgoingRecord:
        """Return a record that tells only the time."""
        batch = ObservationBatch(LAYOUT_VERSION, (), self._time(partition))
        return OutgoingRecord(OBSERVATIONS, partition, OBSERVATIONS_CODEC.encode(batch))

    def probe_record(self, probes: Sequence[Probe], partition: int) -> OutgoingRecord:
        """Return a record that tells nothing but that probes came by."""
        batch = ObservationBatch(LAYOUT_VERSION, (), self._time(partition), probes=tuple(probes))
        return OutgoingRecord(OBSERVATIONS, partition, OBSERVATIONS_CODEC.encode(batch))

    def _record(
        self, partition: int, part: list[ProcessedMessage], trace: BatchTrace | None
    ) -> OutgoingRecord:
        headers = tuple(taken.header for taken in part if taken.header is not None)
        payloads = [taken.payload for taken in part]
        batch = ObservationBatch(
            LAYOUT_VERSION,
            tuple(one for taken in part for one in taken.observations),
            self._time(partition),
            encode_headers(MessageHeaders(self._session, headers)),
            encode_payloads(payloads) if any(payloads) else b"",
        )
        followed: RecordHeaders = ()
        if trace is not None:
            followed = trace.record_headers(OBSERVATIONS, partition, [one.sequence for one in headers])
        return OutgoingRecord(OBSERVATIONS, partition, OBSERVATIONS_CODEC.encode(batch), followed)

    def _time(self, partition: int) -> Instant:
        time = self._times[partition] = max(self._clock(), self._times[partition] + 1)
        return time


def _split_into_records(messages: Iterable[ProcessedMessage]) -> Iterator[list[ProcessedMessage]]:
    """Cut messages into runs that fit into a record each."""
    part: list[ProcessedMessage] = []
    observations = size = 0
    for taken in messages:
        bytes_max = _bytes_max(taken)
        if bytes_max > RECORD_BYTES_MAX:
            # The hash in the header still tells which payload it was.
            bytes_max -= len(taken.payload)
            taken = replace(taken, payload=b"")  # noqa: PLW2901
        count = len(taken.observations)
        if part and (observations + count > RECORD_OBSERVATIONS_MAX or size + bytes_max > RECORD_BYTES_MAX):
            yield part
            part, observations, size = [], 0, 0
        part.append(taken)
        observations += count
        size += bytes_max
    if part:
        yield part


def _bytes_max(taken: ProcessedMessage) -> int:
    """Return a bound of what a message adds to a record."""
    size = HEADER_BYTES_MAX + OBSERVATION_BYTES_MAX * len(taken.observations) + len(taken.payload)
    header = taken.header
    if header is not None:
        size += len((header.topic + header.device + header.feed + header.decoder).encode())
    return size
