"""What the stream tells of followed messages: when a stage took in a record that carries some."""

from __future__ import annotations

from runtime.clock import Clock
from runtime.telemetry.tracing import RecordHeaders, Span, Tracer, extract_context
from stream.engine.transport import InputRecord


class RecordTrace:
    """The way of one record through a stage; what the stage sends meanwhile goes on with it."""

    def __init__(self, span: Span, clock: Clock) -> None:
        self._span = span
        self._clock = clock
        self.headers: RecordHeaders = span.context.headers

    def end(self, outputs: int) -> None:
        """Note that the record is applied, and its outputs are with the producer."""
        self._span.end(self._clock(), {"livetwin.outputs": outputs})


class RecordTracer:
    """Goes on with the traces of records."""

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock

    def begin(self, topic: str, record: InputRecord) -> RecordTrace | None:
        """Begin to tell what a record does; None when it carries no followed message."""
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
