"""Replay: quarantined messages that are asked for again go through the intake of today.

A request is the quarantined message itself, on the topic `replays`. Its observations keep the time of its
reception, so they have the keys and ranks that they would have had then: replaying twice makes duplicates
only. The answer on `quarantine` names the request in `replay_of`; a crash before the commit repeats both,
and of several ingest processes each serves every request: an answer that is told twice has one id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from msgspec.structs import replace

from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import DETAIL_CHARACTERS_MAX, Intake, ProcessedMessage
from ingest.pipeline.publisher import LogPublisher
from runtime.cancellation import raise_if_cancelled
from runtime.clock import Clock
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import REPLAYS, create_topics
from twin.errors import MessageError, ServiceError
from twin.instant import SECOND, Duration, Instant
from twin.quality.plausibility import QuarantineReason
from twin.wire.messages import QUARANTINE, QuarantinedMessage, quarantine_id

log = logging.getLogger(__name__)

CONSUMER_GROUP = "livetwin-ingest-replay"

# Messages of one poll: 200 × 50 us = 10 ms in which no other message is taken.
POLL_MESSAGES_MAX = 200
POLL_BYTES_MAX = 1024 * 1024
POLL_WAIT_MS = 500

# Who adds a sensor and then asks for a replay may be faster than ingest, which follows the model within 2 s.
# A request that fails sooner than so long after it was made is tried once more when it is as old.
MODEL_WAIT: Duration = 3 * SECOND

RETRY_DELAY_S = 5.0

# The topic of a record of the log itself that could not be read, as the historian names it.
_LOG_TOPIC = "log:"

# Why a payload that is not whole any more may be refused.
_UNREADABLE = frozenset({QuarantineReason.MALFORMED, QuarantineReason.CHECKSUM})


class ReplayRequest(NamedTuple):
    """A quarantined message that is asked for again."""

    original: QuarantinedMessage
    time: Instant  #: when it was asked for
    number: int  #: of the request, so that every try has an id of its own


def new_replay_consumer(kafka: Kafka) -> AIOKafkaConsumer:
    """Return the consumer of requests: the group remembers the place; nobody joins it.

    A join takes seconds, also from a process that is asked to end meanwhile.
    """
    consumer = AIOKafkaConsumer(
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
    """Serves requests until cancelled. `intake` returns that of the present model."""

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
        """Serve requests; while Kafka does not answer, try again and again. Live messages never wait."""
        while True:
            try:
                await create_topics(kafka, {REPLAYS: 1})
                await self._consume(kafka)
            except (KafkaError, OSError, ServiceError) as error:
                log.warning("replays wait for Kafka: %r", error)
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
        """Return when Kafka confirmed what became of these requests."""
        requests = [one for one in map(_parse_request, records) if one is not None]
        taken = [replay_message(self._intake(), request) for request in requests]
        youngest = max(
            (one.time for one, made in zip(requests, taken, strict=True) if _failed(made)), default=0
        )
        wait = min(youngest + MODEL_WAIT - self._clock(), MODEL_WAIT)
        if wait > 0:
            await asyncio.sleep(wait / SECOND)
            intake = self._intake()
            taken = [
                replay_message(intake, request) if _failed(made) else made
                for request, made in zip(requests, taken, strict=True)
            ]
        await self._publisher.publish(sorted(taken, key=_event_time))
        for made in taken:
            self._count("failed" if _failed(made) else "resolved")
        for _ in range(len(records) - len(requests)):
            self._count("unreadable")
        log.info("replayed %d quarantined messages", len(requests))


def replay_message(intake: Intake, request: ReplayRequest) -> ProcessedMessage:
    """Return what a quarantined message holds today: its observations, and the answer in `quarantined`.

    The header tells the size and the hash of the payload as it was received, also where only a redacted copy
    of it was kept.
    """
    original = request.original
    refusal = _refusal(intake, original)
    if refusal:
        return ProcessedMessage(0, [], _answer(request, replace(original, detail=refusal)))
    message = MqttMessage(original.topic, original.payload, original.received_time, 0, 0, 0)
    taken = intake.process(message)
    intact = _intact(original)
    answer = replace(original, reason="", detail="", observations=len(taken.observations))
    if taken.quarantined is not None:
        answer = taken.quarantined
        if not intact and answer.reason in _UNREADABLE:
            kept = (
                f"what was kept is redacted and has {len(message.payload)} of {original.payload_bytes} bytes"
            )
            answer = replace(answer, detail=f"{kept}: {answer.detail}"[:DETAIL_CHARACTERS_MAX])
    header = taken.header
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
    # What was redacted once stays as it is: the pseudonym of a pseudonym is another one.
    payload = taken.payload if intact or not taken.payload else original.payload
    observations = sorted(taken.observations, key=lambda one: one.phenomenon_time)
    return ProcessedMessage(taken.partition, observations, _answer(request, answer), header, payload)


def _answer(request: ReplayRequest, answer: QuarantinedMessage) -> QuarantinedMessage:
    """Return an answer with what it shares with the message that it is about; the payload is known."""
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
    """Return why what was kept of a message cannot be taken again; empty when it can be tried."""
    if original.topic.startswith(_LOG_TOPIC) and not original.session:
        return "this is a record of the log, not a message of a device; it cannot be replayed"
    if _intact(original) or intake.redacts_topic(original.topic):
        return ""
    return (
        f"the payload had {original.payload_bytes} bytes, of which {len(original.payload)} were kept; a part "
        "cannot be replayed. Raise LIVETWIN_QUARANTINE_BYTES_MAX to keep more of the next ones"
    )


def _intact(original: QuarantinedMessage) -> bool:
    return sha256(original.payload).hexdigest() == original.payload_sha256


def _parse_request(record: ConsumerRecord) -> ReplayRequest | None:
    try:
        original = QUARANTINE.decode(record.value)
        bytes.fromhex(original.payload_sha256)
    except (MessageError, ValueError) as error:
        log.error("the replay request at offset %d cannot be read: %s", record.offset, error)
        return None
    return ReplayRequest(original, record.timestamp * 1000, record.offset)


def _failed(taken: ProcessedMessage) -> bool:
    return taken.quarantined is not None and bool(taken.quarantined.reason)


def _event_time(taken: ProcessedMessage) -> tuple[Instant, Instant]:
    """Return what messages are ordered by: their earliest observation, then their reception."""
    if taken.header is None:
        return 0, 0
    return taken.observations[0].phenomenon_time, taken.header.received_time
