"""Exports spans with the OpenTelemetry SDK: OTLP over HTTP, configured by the standard OTEL_* variables."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from runtime.telemetry.tracing import SpanAttributes, SpanKind, TraceContext
from twin.instant import Instant

# How long an ending process waits for the collector; later spans are lost.
CLOSE_S_MAX = 1.5

_NANOSECONDS = 1_000

_KINDS: dict[SpanKind, trace.SpanKind] = {
    "consumer": trace.SpanKind.CONSUMER,
    "producer": trace.SpanKind.PRODUCER,
}


class _IdGenerator(RandomIdGenerator):
    """Generates random ids, except for a trace whose id the caller gives."""

    trace: int | None = None

    def generate_trace_id(self) -> int:
        """Return the id of the next trace."""
        return super().generate_trace_id() if self.trace is None else self.trace


class OtelSpan:
    """A span of the SDK; a `runtime.telemetry.tracing.Span`."""

    __slots__ = ("_span", "context")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        found = span.get_span_context()
        self.context = TraceContext(found.trace_id, found.span_id)

    def end(self, now: Instant, attributes: SpanAttributes | None = None) -> None:
        """End the span."""
        if attributes:
            self._span.set_attributes(dict(attributes))
        self._span.end(end_time=now * _NANOSECONDS)


class OtelTracer:
    """Records the spans of a role, from one thread; a thread of the SDK sends them in batches."""

    def __init__(self, role: str, processor: SpanProcessor | None = None) -> None:
        resource = Resource.create(
            {
                "service.namespace": "livetwin",
                "service.name": f"livetwin-{role}",
                "service.version": version("livetwin"),
            }
        )
        self._ids = _IdGenerator()
        # Ingest has sampled the messages already, so the OTEL_* variables must not sample again.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("livetwin")

    def begin(
        self,
        name: str,
        kind: SpanKind,
        now: Instant,
        parent: TraceContext | int,
        *,
        links: Sequence[TraceContext] = (),
        attributes: SpanAttributes | None = None,
    ) -> OtelSpan:
        """Begin a child span of `parent`, or the first span of the trace with that id."""
        above = trace.set_span_in_context(trace.INVALID_SPAN)
        if isinstance(parent, TraceContext):
            above = trace.set_span_in_context(trace.NonRecordingSpan(_remote(parent)))
        self._ids.trace = parent if isinstance(parent, int) else None
        span = self._tracer.start_span(
            name,
            context=above,
            kind=_KINDS[kind],
            start_time=now * _NANOSECONDS,
            links=[trace.Link(_remote(one)) for one in links],
            attributes=dict(attributes or {}),
        )
        return OtelSpan(span)

    def close(self) -> None:
        """Send waiting spans within a time limit: an unreachable collector must not delay the exit."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S_MAX)


def _remote(context: TraceContext) -> trace.SpanContext:
    return trace.SpanContext(
        context.trace_id,
        context.span_id,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
