"""Traces: which messages are sampled, and how their trace context travels with the records of the log.

Ingest samples messages. A record that carries a sampled message has the header `traceparent` (W3C Trace
Context), and every later role continues the trace from it.

`runtime.telemetry.otel` imports OpenTelemetry, and is loaded only when traces are enabled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, Protocol, TypeAlias

from twin.errors import ServiceError
from twin.instant import Instant

TRACEPARENT = "traceparent"

RecordHeaders: TypeAlias = Sequence[tuple[str, bytes]]
"""Headers of a record of the log."""

SpanKind: TypeAlias = Literal["consumer", "producer"]
"""Whether a span receives from another process, or sends to one."""

SpanAttributes: TypeAlias = Mapping[str, str | int]

_RATIO_BITS = 32
_HEADER_BYTES = 55  # 00-<32 hex digits>-<16 hex digits>-<2 hex digits>


class TraceContext(NamedTuple):
    """A span's trace id and span id: what its children refer to."""

    trace_id: int
    span_id: int

    @property
    def headers(self) -> RecordHeaders:
        """Return the headers of a record, from which its reader continues the trace.

        >>> TraceContext(10, 11).headers
        [('traceparent', b'00-0000000000000000000000000000000a-000000000000000b-01')]
        """
        return [(TRACEPARENT, f"00-{self.trace_id:032x}-{self.span_id:016x}-01".encode())]


def extract_context(
    headers: Iterable[tuple[str, bytes]], *, sampled_only: bool = True
) -> TraceContext | None:
    """Return the trace context in the headers of a record; None when there is none, or it is invalid.

    With `sampled_only` also None for a trace that is not sampled.

    >>> extract_context(TraceContext(10, 11).headers)
    TraceContext(trace_id=10, span_id=11)
    >>> extract_context([("traceparent", b"00-?")]) is None
    True
    """
    for name, value in headers:
        if name == TRACEPARENT:
            return _parse_traceparent(value, sampled_only)
    return None


def _parse_traceparent(value: bytes, sampled_only: bool) -> TraceContext | None:
    parts = value.split(b"-")
    if len(value) != _HEADER_BYTES or [len(part) for part in parts] != [2, 32, 16, 2]:
        return None
    try:
        trace, span, flags = (int(part, 16) for part in parts[1:])
    except ValueError:
        return None
    is_wanted = flags & 1 or not sampled_only
    return TraceContext(trace, span) if trace and span and is_wanted else None


class Sampler:
    """Samples the messages of an ingest session by their numbers, at a fixed ratio.

    The numbers are divided into runs of 1/ratio each, and a hash chooses one number of each run. So the
    result depends on session and number alone, is the same everywhere, and costs nothing for other messages.
    """

    def __init__(self, session: str, ratio: float) -> None:
        self._session = session
        self._scaled_ratio = round(ratio * (1 << _RATIO_BITS))

    def sampled(self, start: int, stop: int) -> list[int]:
        """Return the sampled numbers n with start ≤ n < stop, ascending.

        >>> len(Sampler("a", 0.01).sampled(0, 100_000))
        1000
        >>> Sampler("a", 1).sampled(7, 10)
        [7, 8, 9]
        """
        if not self._scaled_ratio or start >= stop:
            return []
        run = self._run_of(start)
        found = []
        while (number := self._sampled_in(run)) < stop:
            if number >= start:
                found.append(number)
            run += 1
        return found

    def _run_start(self, run: int) -> int:
        return (run << _RATIO_BITS) // self._scaled_ratio

    def _run_of(self, number: int) -> int:
        """Return the last run that starts at or before a number."""
        return -(-(number + 1) * self._scaled_ratio >> _RATIO_BITS) - 1

    def _sampled_in(self, run: int) -> int:
        begin = self._run_start(run)
        return begin + _hash(f"{self._session}/{run}", 8) % (self._run_start(run + 1) - begin)


def message_trace_id(session: str, number: int) -> int:
    """Return the trace id of a message, which also follows from its provenance."""
    return _hash(f"{session}:{number}", 16)


def _hash(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest())


class Span(Protocol):
    """A span that has begun."""

    @property
    def context(self) -> TraceContext:
        """Return the context for its children and links."""
        ...

    def end(self, now: Instant, attributes: SpanAttributes | None = None) -> None:
        """End the span; call it at most once."""
        ...


class Tracer(Protocol):
    """Records the spans of a role."""

    def begin(
        self,
        name: str,
        kind: SpanKind,
        now: Instant,
        parent: TraceContext | int,
        *,
        links: Sequence[TraceContext] = (),
        attributes: SpanAttributes | None = None,
    ) -> Span:
        """Begin a child span of `parent`, or the first span of the trace with that id."""
        ...


class BatchSpans:
    """The spans of one step with a batch of several sampled messages: one in the trace of each message.

    The first span stands for the step, and the others link to it; spans of later steps are its children.
    """

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        now: Instant,
        parents: Sequence[TraceContext],
        *,
        attributes: SpanAttributes | None = None,
    ) -> None:
        first = tracer.begin(name, kind, now, parents[0], links=parents[1:], attributes=attributes)
        others = [
            tracer.begin(name, kind, now, parent, links=[first.context], attributes=attributes)
            for parent in parents[1:]
            if parent.trace_id != first.context.trace_id
        ]
        self.context = first.context
        self._spans = [first, *others]

    def end(self, now: Instant, attributes: SpanAttributes | None = None) -> None:
        """End the spans of the step."""
        for span in self._spans:
            span.end(now, attributes)


@contextmanager
def open_tracer(role: str, ratio: float) -> Iterator[Tracer | None]:
    """Yield the tracer of a role, or None when the ratio is 0.

    Raises ServiceError when the packages for traces are missing.
    """
    if not ratio:
        yield None
        return
    try:
        # The import takes half a second and 20 MB; most processes do not need it.
        from runtime.telemetry.otel import OtelTracer  # noqa: PLC0415
    except ImportError as error:
        raise ServiceError(
            f"LIVETWIN_TRACE_RATIO is {ratio:g}, but a package of the extra `tracing` is missing ({error}): "
            "install livetwin[tracing], or set it to 0"
        ) from error
    tracer = OtelTracer(role)
    try:
        yield tracer
    finally:
        tracer.close()
