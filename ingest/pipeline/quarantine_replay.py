"""Replays quarantined messages on request, through the present intake.

A request is the quarantined message itself, on the topic `replays`. Its observations keep the time of
reception and the rank, so they have the same keys and the same order as at first: a second replay creates
only duplicates. The answer on `quarantine` names the original in `replay_of`. A crash before the commit
repeats observations and answer, and each of several ingest processes handles every request; repeated answers
have the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from msgspec.structs import replace

from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import DETAIL_CHARACTERS_MAX, Intake, ProcessedMessage
from ingest.pipeline.publisher import LogPublisher
from runtime.cancellation import raise_if_cancelled
from runtime.clock import Clock
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.consumer import LogConsumer
from runtime.kafka.topics import REPLAYS, create_topics
from twin.errors import MessageError, ServiceError
from twin.instant import SECOND, Duration, Instant
from twin.quality.plausibility import QuarantineReason
from twin.wire.messages import QUARANTINE, SESSION_TOPIC, QuarantinedMessage, quarantine_id

log = logging.getLogger(__name__)

CONSUMER_GROUP = "livetwin-ingest-replay"

# Messages of one poll: 200 × 50 us = 10 ms during which no live message is processed.
POLL_MESSAGES_MAX = 200
POLL_BYTES_MAX = 1024 * 1024
POLL_WAIT_MS = 500

MODEL_WAIT: Duration = 3 * SECOND
"""Age below which a failed request is tried once more, when it has reached this age.

A user may add a sensor and request a replay before ingest has the new model, which takes up to 2 s.
"""

RETRY_DELAY_S = 5.0

# Prefix that the historian uses as topic when it quarantines an unreadable record of the log.
_LOG_TOPIC = "log:"

# Reasons that an incomplete payload may cause.
_UNREADABLE = frozenset({QuarantineReason.MALFORMED, QuarantineReason.CHECKSUM})


class ReplayRequest(NamedTuple):
    """A request to replay a quarantined message."""

    original: QuarantinedMessage
    time: Instant  #: of the request
    number: int  #: of the request, so that each attempt has its own id


def new_replay_consumer(kafka: Kafka) -> LogConsumer:
    """Return the consumer of requests. It commits to the group without joining it.

    A join takes seconds, and delays the end of the process.
    """
    consumer = LogConsumer(
        **client_options(kafka),
        group_id=CONSUMER_GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=POLL_BYTES_MAX,
        max_poll_records=POLL_MESSAGES_MAX,
    )
    consumer.assign([TopicPartition(REPLAYS, 0)])
    return consumer


class QuarantineReplayer:
    """Handles replay requests. `intake` returns the intake of the present model."""

    def __init__(
        self,
        publisher: LogPublisher,
        intake: Callable[[], Intake],
        clock: Clock,
        count: Callable[[str], None],
    ) -> None:
        self._publisher = publisher
        self._intake = intake
        self._clock = clock
        self._count = count

    async def run(self, kafka: Kafka) -> None:
        """Handle requests until cancelled; retry while Kafka is unavailable. Live messages never wait."""
        while True:
            try:
                await create_topics(kafka, {REPLAYS: 1})
                await self._consume(kafka)
            except (KafkaError, OSError, ServiceError) as error:
                log.warning("replays wait for Kafka: %r", error, extra={"event": "ingest.replays_waiting"})
            await asyncio.sleep(RETRY_DELAY_S)

    async def _consume(self, kafka: Kafka) -> None:
        consumer = new_replay_consumer(kafka)
        try:
            await consumer.start()
            while True:
                raise_if_cancelled()
                polled = await consumer.getmany(timeout_ms=POLL_WAIT_MS)
                for partition, records in polled.items():
                    await self._replay(records)
                    await consumer.commit({partition: records[-1].offset + 1})
        finally:
            await consumer.stop()

    async def _replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Replay the requests, and wait until Kafka confirms the results."""
        requests = [request for request in map(_parse_request, records) if request is not None]
        results = [replay_message(self._intake(), request) for request in requests]
        youngest = max(
            (request.time for request, result in zip(requests, results, strict=True) if _failed(result)),
            default=0,
        )
        wait = min(youngest + MODEL_WAIT - self._clock(), MODEL_WAIT)
        if wait > 0:
            await asyncio.sleep(wait / SECOND)
            intake = self._intake()
            results = [
                replay_message(intake, request) if _failed(result) else result
                for request, result in zip(requests, results, strict=True)
            ]
        await self._publisher.publish(sorted(results, key=_event_time))
        for result in results:
            self._count("failed" if _failed(result) else "resolved")
        for _ in range(len(records) - len(requests)):
            self._count("unreadable")
        log.info(
            "replayed %d quarantined messages",
            len(requests),
            extra={"event": "ingest.replayed", "messages": len(requests)},
        )


def replay_message(intake: Intake, request: ReplayRequest) -> ProcessedMessage:
    """Process a quarantined message again: return its observations, and the answer in `quarantined`.

    The header has the size and the hash of the received payload, also when only a redacted copy was kept.
    """
    original = request.original
    refusal = _refusal(intake, original)
    if refusal:
        return ProcessedMessage(0, [], _answer(request, replace(original, detail=refusal)))
    message = MqttMessage(
        original.topic,
        original.payload,
        original.received_time,
        0,
        0,
        0,
        original.rank,
        retained=original.reason == QuarantineReason.RETAINED,
    )
    result = intake.process(message)
    intact = _intact(original)
    answer = replace(original, reason="", detail="", observations=len(result.observations))
    if result.quarantined is not None:
        answer = result.quarantined
        if not intact and answer.reason in _UNREADABLE:
            kept = (
                f"the kept copy is redacted and has {len(message.payload)} of {original.payload_bytes} bytes"
            )
            answer = replace(answer, detail=f"{kept}: {answer.detail}"[:DETAIL_CHARACTERS_MAX])
    header = result.header
    if header is None:
        return ProcessedMessage(0, [], _answer(request, answer))
    answer = replace(
        answer,
        feed=header.feed,
        device=header.device,
        decoder=header.decoder,
        decoder_version=header.decoder_version,
    )
    header = replace(
        header,
        payload_bytes=original.payload_bytes,
        payload_sha256=bytes.fromhex(original.payload_sha256),
    )
    # A redacted copy is not redacted again: the pseudonym of a pseudonym is a different one.
    payload = result.payload if intact or not result.payload else original.payload
    observations = sorted(result.observations, key=lambda observation: observation.phenomenon_time)
    return ProcessedMessage(result.partition, observations, _answer(request, answer), header, payload)


def _answer(request: ReplayRequest, answer: QuarantinedMessage) -> QuarantinedMessage:
    """Return an answer with the identity of its original message, and without the payload."""
    original = request.original
    name = f"replay of {original.id}"
    return replace(
        answer,
        id=quarantine_id(name, original.payload_sha256, request.time, request.number),
        payload=b"",
        payload_bytes=original.payload_bytes,
        payload_sha256=original.payload_sha256,
        session=original.session,
        sequence=original.sequence,
        replay_of=original.id,
    )


def _refusal(intake: Intake, original: QuarantinedMessage) -> str:
    """Return why a kept message cannot be replayed; empty when it can."""
    if original.topic.startswith(_LOG_TOPIC) and not original.session:
        return "this is a record of the log, not a message of a device; it cannot be replayed"
    if original.topic == SESSION_TOPIC and not original.session:
        return "this is no message: the broker lost the messages; it cannot be replayed"
    if _intact(original) or intake.redacts_topic(original.topic):
        return ""
    return (
        f"the payload had {original.payload_bytes} bytes, of which {len(original.payload)} were kept; an "
        "incomplete payload cannot be replayed. Raise LIVETWIN_QUARANTINE_BYTES_MAX to keep more in future"
    )


def _intact(original: QuarantinedMessage) -> bool:
    return sha256(original.payload).hexdigest() == original.payload_sha256


def _parse_request(record: ConsumerRecord) -> ReplayRequest | None:
    try:
        original = QUARANTINE.decode(record.value)
        bytes.fromhex(original.payload_sha256)
    except (MessageError, ValueError) as error:
        log.error(
            "the replay request at offset %d cannot be read: %s",
            record.offset,
            error,
            extra={"event": "ingest.replay_unreadable", "offset": record.offset},
        )
        return None
    return ReplayRequest(original, record.timestamp * 1000, record.offset)


def _failed(result: ProcessedMessage) -> bool:
    return result.quarantined is not None and bool(result.quarantined.reason)


def _event_time(result: ProcessedMessage) -> tuple[Instant, Instant]:
    """Return the sort key of messages: the time of the earliest observation, then the time of reception."""
    if result.header is None:
        return 0, 0
    return result.observations[0].phenomenon_time, result.header.received_time
