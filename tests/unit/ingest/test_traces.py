"""Records of sampled messages have a trace header, and the spans of their traces are connected."""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ingest.pipeline.records import OutgoingRecord, RecordBuilder
from ingest.pipeline.traces import IngestTraces
from runtime.telemetry.otel import OtelTracer
from runtime.telemetry.tracing import extract_context, message_trace_id
from tests.support.pipelines.intake import NOON, SESSION, make_intake, make_message, noise_payload
from twin.instant import SECOND


def published(
    ratio: float, payloads: list[bytes], first: int = 0
) -> tuple[list[OutgoingRecord], InMemorySpanExporter]:
    """Return the records of a batch and its exported spans."""
    exporter = InMemorySpanExporter()
    traces = IngestTraces(
        OtelTracer("ingest", SimpleSpanProcessor(exporter)), SESSION, ratio, lambda: NOON + SECOND
    )
    messages = [make_message(payload) for payload in payloads]
    processed = make_intake().process_batch(messages, first).processed
    trace = traces.begin_batch(messages, first)
    records = list(RecordBuilder(SESSION, lambda: NOON).records(processed, trace))
    if trace is not None:
        trace.on_confirmed()
    return records, exporter


def test_unsampled_messages_have_no_header() -> None:
    records, exporter = published(1e-9, [noise_payload(60), noise_payload(61)], first=5)
    assert [one.headers for one in records] == [()]
    assert exporter.get_finished_spans() == ()


def test_the_trace_of_a_sampled_message_continues_with_its_record() -> None:
    [record], exporter = published(1, [noise_payload(60)])
    receive, publish = exporter.get_finished_spans()
    assert (receive.name, publish.name) == ("mqtt receive", "kafka publish")
    assert receive.context.trace_id == publish.context.trace_id == message_trace_id(SESSION, 0)
    context = extract_context(record.headers)
    assert context == (publish.context.trace_id, publish.context.span_id)
    assert publish.parent is not None
    assert publish.parent.span_id == receive.context.span_id
    assert receive.attributes is not None
    assert receive.attributes["livetwin.sequence"] == 0
    assert receive.start_time == NOON * 1_000


def test_messages_of_one_record_are_linked() -> None:
    [record], exporter = published(1, [noise_payload(60), noise_payload(61), noise_payload(62)])
    published_spans = [one for one in exporter.get_finished_spans() if one.name == "kafka publish"]
    assert {one.context.trace_id for one in published_spans} == {
        message_trace_id(SESSION, number) for number in range(3)
    }
    first, *others = published_spans
    context = extract_context(record.headers)
    assert context is not None
    assert context.span_id == first.context.span_id
    for span in others:
        assert [link.context.span_id for link in span.links] == [first.context.span_id]
    assert {link.context.trace_id for link in first.links} == {one.context.trace_id for one in others}


def test_the_trace_of_a_rejected_message_continues_in_quarantine() -> None:
    [record], exporter = published(1, [b"{"], first=3)
    assert record.topic == "quarantine"
    context = extract_context(record.headers)
    assert context is not None
    assert context.trace_id == message_trace_id(SESSION, 3)
    assert len(exporter.get_finished_spans()) == 2
