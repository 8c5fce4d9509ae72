"""What ingest tells of the messages that are followed: when each was received, and put on the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest.mqtt.message import MqttMessage
from runtime.clock import Clock
from runtime.telemetry.tracing import BatchSpans, RecordHeaders, Sampler, Span, Tracer, message_trace_id

# A record with more followed messages than this tells of the first ones: a record has one header.
SAMPLED_MAX = 32


class BatchTrace:
    """The followed messages of one batch, by their numbers."""

    def __init__(self, tracer: Tracer, clock: Clock, received: dict[int, Span]) -> None:
        self._tracer = tracer
        self._clock = clock
        self._received = received
        self._published: list[BatchSpans] = []

    def on_decoded(self) -> None:
        """Note that every message of the batch is decoded."""
        now = self._clock()
        for span in self._received.values():
            span.end(now)

    def record_headers(self, topic: str, partition: int, numbers: Iterable[int]) -> RecordHeaders:
        """Return what a record is sent with that carries the messages of these numbers."""
        followed = [self._received[number].context for number in numbers if number in self._received]
        if not followed:
            return ()
        spans = BatchSpans(
            self._tracer,
            "kafka publish",
            "producer",
            self._clock(),
            followed[:SAMPLED_MAX],
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
            },
        )
        self._published.append(spans)
        return spans.context.headers

    def on_confirmed(self) -> None:
        """Note that Kafka has confirmed every record of the batch."""
        now = self._clock()
        for spans in self._published:
            spans.end(now)


class IngestTraces:
    """Decides for each batch which of its messages are followed."""

    def __init__(self, tracer: Tracer, session: str, ratio: float, clock: Clock) -> None:
        self._tracer = tracer
        self._session = session
        self._sampler = Sampler(session, ratio)
        self._clock = clock

    def begin_batch(self, messages: Sequence[MqttMessage], first: int) -> BatchTrace | None:
        """Return the trace of a batch whose messages are numbered from `first`; None if none is followed."""
        followed = self._sampler.sampled(first, first + len(messages))
        if not followed:
            return None
        received = {number: self._receive(messages[number - first], number) for number in followed}
        return BatchTrace(self._tracer, self._clock, received)

    def _receive(self, message: MqttMessage, number: int) -> Span:
        return self._tracer.begin(
            "mqtt receive",
            "consumer",
            message.received_time,
            message_trace_id(self._session, number),
            attributes={
                "messaging.system": "mqtt",
                "messaging.destination.name": message.topic,
                "livetwin.session": self._session,
                "livetwin.sequence": number,
            },
        )
