"""Builds the records of the log from processed messages: bounded records, without splitting a message.

The time of a record is this process's clock when it was built, and strictly increases in each partition.
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

# The stream processor handles a record without a heartbeat (2,000 × 10 us = 20 ms). A message with more
# observations is a record of its own; `MESSAGE_OBSERVATIONS_MAX` of them fit without its payload.
RECORD_OBSERVATIONS_MAX = 2_000

# Kafka's default message.max.bytes is 1 MiB; a quarter is reserve, since the estimate below is incomplete.
RECORD_BYTES_MAX = 768 * 1024

# MessagePack: the array, a 32-bit id, two 64-bit times, a float and 16 bits of flags are 36.
OBSERVATION_BYTES_MAX = 40
# MessagePack: a header without its texts, and the prefix of its payload.
HEADER_BYTES_MAX = 96


class OutgoingRecord(NamedTuple):
    """A record before it is sent."""

    topic: str
    partition: int
    value: bytes
    headers: RecordHeaders = ()  #: set when the record carries a sampled message


class RecordBuilder:
    """Builds the records of one run of ingest."""

    def __init__(self, session: str, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._times: defaultdict[int, Instant] = defaultdict(int)

    def records(
        self, batch: Iterable[ProcessedMessage], trace: BatchTrace | None = None
    ) -> Iterator[OutgoingRecord]:
        """Yield the records of a batch; each partition keeps the order of the batch."""
        by_partition: defaultdict[int, list[ProcessedMessage]] = defaultdict(list)
        for message in batch:
            if message.observations:
                by_partition[message.partition].append(message)
            if message.quarantined is not None:
                refused = message.quarantined
                trace_headers = (
                    trace.record_headers(QUARANTINE, 0, [refused.sequence]) if trace is not None else ()
                )
                yield OutgoingRecord(QUARANTINE, 0, QUARANTINE_CODEC.encode(refused), trace_headers)
        for partition, messages in by_partition.items():
            for part in _split_into_records(messages):
                yield self._record(partition, part, trace)

    def tick_record(self, partition: int) -> OutgoingRecord:
        """Return a record with only the time."""
        batch = ObservationBatch(LAYOUT_VERSION, (), self._time(partition))
        return OutgoingRecord(OBSERVATIONS, partition, OBSERVATIONS_CODEC.encode(batch))

    def probe_record(self, probes: Sequence[Probe], partition: int) -> OutgoingRecord:
        """Return a record with only probes."""
        batch = ObservationBatch(LAYOUT_VERSION, (), self._time(partition), probes=tuple(probes))
        return OutgoingRecord(OBSERVATIONS, partition, OBSERVATIONS_CODEC.encode(batch))

    def _record(
        self, partition: int, part: list[ProcessedMessage], trace: BatchTrace | None
    ) -> OutgoingRecord:
        headers = tuple(message.header for message in part if message.header is not None)
        payloads = [message.payload for message in part]
        batch = ObservationBatch(
            LAYOUT_VERSION,
            tuple(one for message in part for one in message.observations),
            self._time(partition),
            encode_headers(MessageHeaders(self._session, headers)),
            encode_payloads(payloads) if any(payloads) else b"",
        )
        trace_headers: RecordHeaders = ()
        if trace is not None:
            trace_headers = trace.record_headers(OBSERVATIONS, partition, [one.sequence for one in headers])
        return OutgoingRecord(OBSERVATIONS, partition, OBSERVATIONS_CODEC.encode(batch), trace_headers)

    def _time(self, partition: int) -> Instant:
        time = self._times[partition] = max(self._clock(), self._times[partition] + 1)
        return time


def _split_into_records(messages: Iterable[ProcessedMessage]) -> Iterator[list[ProcessedMessage]]:
    """Split messages into runs that fit into one record each."""
    part: list[ProcessedMessage] = []
    observations = size = 0
    for message in messages:
        bytes_max = _bytes_max(message)
        if bytes_max > RECORD_BYTES_MAX:
            # The hash in the header still identifies the payload.
            bytes_max -= len(message.payload)
            message = replace(message, payload=b"")  # noqa: PLW2901
        count = len(message.observations)
        if part and (observations + count > RECORD_OBSERVATIONS_MAX or size + bytes_max > RECORD_BYTES_MAX):
            yield part
            part, observations, size = [], 0, 0
        part.append(message)
        observations += count
        size += bytes_max
    if part:
        yield part


def _bytes_max(message: ProcessedMessage) -> int:
    """Return an upper bound of the bytes that a message adds to a record."""
    size = HEADER_BYTES_MAX + OBSERVATION_BYTES_MAX * len(message.observations) + len(message.payload)
    header = message.header
    if header is not None:
        size += len((header.topic + header.device + header.feed + header.decoder).encode())
    return size
