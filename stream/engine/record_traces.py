"""Traces of the stream: a span for each record that carries a traced message."""

from __future__ import annotations

from runtime.clock import Clock
from runtime.telemetry.tracing import RecordHeaders, Span, Tracer, extract_context
from stream.engine.transport import InputRecord


class RecordTrace:
    """The span of one record in a stage; records that the stage sends meanwhile carry its headers."""

    def __init__(self, span: Span, clock: Clock) -> None:
        self._span = span
        self._clock = clock
        self.headers: RecordHeaders = span.context.headers

    def end(self, outputs: int) -> None:
        """End the span: the record is applied, and its outputs are with the producer."""
        self._span.end(self._clock(), {"livetwin.outputs": outputs})


class RecordTracer:
    """Begins the spans of records."""

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock

    def begin(self, topic: str, record: InputRecord) -> RecordTrace | None:
        """Return the begun span of a record; None when the record carries no traced message."""
        parent = extract_context(record.headers)
        if parent is None:
            return None
        span = self._tracer.begin(
            f"apply {topic}",
            "consumer",
            self._clock(),
            parent,
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
            },
        )
        return RecordTrace(span, self._clock)
