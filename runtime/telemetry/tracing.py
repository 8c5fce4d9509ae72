"""Traces: which messages are followed, and how what is known of them travels with the records of the log.

Nothing here imports OpenTelemetry: `runtime.telemetry.otel` does, and is loaded only where traces are asked
for.

Ingest decides which messages are followed. Every later role goes by the header `traceparent` (W3C Trace
Context) of a record: a record that has it carries a message that is followed.
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
"""Of a record of the log."""

SpanKind: TypeAlias = Literal["consumer", "producer"]
"""Whether a span takes something from others, or hands it on to them."""

SpanAttributes: TypeAlias = Mapping[str, str | int]

_RATIO_BITS = 32
_HEADER_BYTES = 55  # 00-<32 hex digits>-<16 hex digits>-<2 hex digits>


class TraceContext(NamedTuple):
    """Where in a trace something happens."""

    trace_id: int
    span_id: int

    @property
    def headers(self) -> RecordHeaders:
        """Return what a record is sent with, so that its reader goes on with the trace.

        >>> TraceContext(10, 11).headers
        [('traceparent', b'00-0000000000000000000000000000000a-000000000000000b-01')]
        """
        return [(TRACEPARENT, f"00-{self.trace_id:032x}-{self.span_id:016x}-01".encode())]


def extract_context(headers: Iterable[tuple[str, bytes]]) -> TraceContext | None:
    """Return the context that a record was sent with; None where it has none, or one that says nothing.

    >>> extract_context(TraceContext(10, 11).headers)
    TraceContext(trace_id=10, span_id=11)
    >>> extract_context([("traceparent", b"00-?")]) is None
    True
    """
    for name, value in headers:
        if name == TRACEPARENT:
            return _parse_traceparent(value)
    return None


def _parse_traceparent(value: bytes) -> TraceContext | None:
    parts = value.split(b"-")
    if len(value) != _HEADER_BYTES or [len(part) for part in parts] != [2, 32, 16, 2]:
        return None
    try:
        trace, span, flags = (int(part, 16) for part in parts[1:])
    except ValueError:
        return None
    return TraceContext(trace, span) if trace and span and flags & 1 else None


class Sampler:
    """Says which messages of a session of ingest are followed: a share of them, by their numbers.

    The numbers are cut into runs of 1/ratio each, and one of each run is followed, chosen by a hash. So the
    answer follows from session and number alone, is the same everywhere, and costs nothing for the others.
    """

    def __init__(self, session: str, ratio: float) -> None:
        self._session = session
        self._scaled_ratio = round(ratio * (1 << _RATIO_BITS))

    def sampled(self, start: int, stop: int) -> list[int]:
        """Return the numbers n with start ≤ n < stop that are followed, ascending.

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
        """Return the last run that begins at or before a number."""
        return -(-(number + 1) * self._scaled_ratio >> _RATIO_BITS) - 1

    def _sampled_in(self, run: int) -> int:
        begin = self._run_start(run)
        return begin + _hash(f"{self._session}/{run}", 8) % (self._run_start(run + 1) - begin)


def message_trace_id(session: str, number: int) -> int:
    """Return the trace of a message: whoever has its provenance can look it up."""
    return _hash(f"{session}:{number}", 16)


def _hash(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest())


class Span(Protocol):
    """Something that takes time, and has begun."""

    @property
    def context(self) -> TraceContext:
        """Return what others refer to it by."""
        ...

    def end(self, now: Instant, attributes: SpanAttributes | None = None) -> None:
        """Say that it is over; at most once."""
        ...


class Tracer(Protocol):
    """Where a role tells its spans."""

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
        """Begin a span below another, or, given the number of a trace, the first of that trace."""
        ...


class BatchSpans:
    """One step with a batch that carries several followed messages: a span in the trace of each.

    The first is the step itself, the others link to it: what follows from the whole batch goes on below the
    first.
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
        """Say that the step is done."""
        for span in self._spans:
            span.end(now, attributes)


@contextmanager
def open_tracer(role: str, ratio: float) -> Iterator[Tracer | None]:
    """Yield where a role tells its spans, or None when nothing is followed.

    Raises ServiceError when traces are asked for and the packages for them are missing.
    """
    if not ratio:
        yield None
        return
    try:
        # Half a second and 20 MB that most processes never need.
        from runtime.telemetry.otel import OtelTracer  # noqa: PLC0415
    except ImportError as error:
        raise ServiceError(
            f"LIVETWIN_TRACE_RATIO is {ratio:g}, but a package of the extra `tracing` is missing ({error}): "
            "install livetwin[tracing], or set it to 0"
        ) from error
    exported = OtelTracer(role)
    try:
        yield exported
    finally:
        exported.close()
