"""Sends records of the Logboek Dataverwerkingen (Logius, draft 0.8.0) to a collector: OTLP over HTTP.

A record is a span of an operation with a child span for each data subject. Nothing is sampled: the caller
keeps a record until `send` says that the collector has it, and sends the same spans again otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from runtime.telemetry.processing_record import ProcessingRecord

SEND_TIMEOUT_S = 10.0
SUBJECT_TYPE = "entity"

_NANOSECONDS = 1_000
_SPAN_BYTES = 8


class ProcessingLogSender:
    """Sends records to a collector; each call blocks for up to `SEND_TIMEOUT_S`."""

    def __init__(self, endpoint: str, activity: str) -> None:
        self._activity = activity
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_TIMEOUT_S)
        self._resource = Resource.create(
            {
                "service.namespace": "livetwin",
                "service.name": "livetwin-api",
                "service.version": version("livetwin"),
            }
        )

    def send(self, records: Iterable[ProcessingRecord]) -> bool:
        """Send records; return whether the collector has confirmed all of them."""
        spans = [span for record in records for span in self._spans(record)]
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Close the connection, and end an attempt that waits."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _spans(self, record: ProcessingRecord) -> Iterator[ReadableSpan]:
        own = _context(record.trace_id, record.span_id)
        caller = _context(record.trace_id, record.parent_span_id) if record.parent_span_id else None
        yield self._span(record, own, caller, {})
        for subject in record.subjects:
            attributes = {"dpl.core.data_subject_id": subject, "dpl.core.data_subject_id_type": SUBJECT_TYPE}
            child = _context(record.trace_id, _subject_span(record, subject))
            yield self._span(record, child, own, attributes)

    def _span(
        self,
        record: ProcessingRecord,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: dict[str, str],
    ) -> ReadableSpan:
        at = record.time * _NANOSECONDS
        return ReadableSpan(
            record.name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes={"dpl.core.processing_activity_id": self._activity, **attributes},
            kind=SpanKind.SERVER,
            status=Status(StatusCode.OK),
            start_time=at,
            end_time=at,
        )


def _subject_span(record: ProcessingRecord, subject: str) -> int:
    """Return the id of the span of a data subject: the same whenever the record is sent."""
    digest = hashlib.sha256(f"{record.trace_id:032x}{record.span_id:016x}{subject}".encode()).digest()
    return int.from_bytes(digest[:_SPAN_BYTES])


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
