"""OpenTelemetry spans of sampled messages: one for their receipt, one for the record that carries them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ingest.mqtt.message import MqttMessage
from runtime.clock import Clock
from runtime.telemetry.tracing import (
    BatchSpans,
    RecordHeaders,
    Sampler,
    TraceContext,
    Tracer,
    message_trace_id,
)
from twin.instant import Instant

# A record has one header; where it carries more sampled messages than this, only the first ones are linked.
SAMPLED_MAX = 32


class BatchTrace:
    """The spans of one batch. `received` holds the receive span of each sampled message, by its number."""

    def __init__(self, tracer: Tracer, clock: Clock, received: Mapping[int, TraceContext]) -> None:
        self._tracer = tracer
        self._clock = clock
        self._received = received
        self._published: list[BatchSpans] = []

    def record_headers(self, topic: str, partition: int, numbers: Iterable[int]) -> RecordHeaders:
        """Begin the publish span of a record with these messages; return the headers to send it with."""
        sampled = [self._received[number] for number in numbers if number in self._received]
        if not sampled:
            return ()
        spans = BatchSpans(
            self._tracer,
            "kafka publish",
            "producer",
            self._clock(),
            sampled[:SAMPLED_MAX],
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
            },
        )
        self._published.append(spans)
        return spans.context.headers

    def on_confirmed(self) -> None:
        """End the publish spans: Kafka has confirmed every record of the batch."""
        now = self._clock()
        for spans in self._published:
            spans.end(now)


class IngestTraces:
    """Samples the messages of each batch."""

    def __init__(self, tracer: Tracer, session: str, ratio: float, clock: Clock) -> None:
        self._tracer = tracer
        self._session = session
        self._sampler = Sampler(session, ratio)
        self._clock = clock

    def begin_batch(self, messages: Sequence[MqttMessage], first: int) -> BatchTrace | None:
        """Return the trace of a decoded batch, numbered from `first`; None when no message is sampled.

        The receive spans last from reception until now.
        """
        sampled = self._sampler.sampled(first, first + len(messages))
        if not sampled:
            return None
        now = self._clock()
        received = {number: self._receive_span(messages[number - first], number, now) for number in sampled}
        return BatchTrace(self._tracer, self._clock, received)

    def _receive_span(self, message: MqttMessage, number: int, decoded: Instant) -> TraceContext:
        span = self._tracer.begin(
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
        span.end(decoded)
        return span.context
