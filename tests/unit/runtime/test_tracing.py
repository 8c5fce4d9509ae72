"""Sampling depends on message numbers alone; a record header carries the trace context."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runtime.telemetry.otel import OtelTracer
from runtime.telemetry.tracing import BatchSpans, Sampler, TraceContext, extract_context, open_tracer
from tests.support.repository import ROOT
from twin.instant import SECOND

ratios = st.floats(1e-6, 1)


@given(ratios, st.text(max_size=8), st.integers(0, 10**12), st.lists(st.integers(0, 300), max_size=10))
def test_the_same_messages_are_sampled_however_they_are_batched(
    ratio: float, session: str, first: int, sizes: list[int]
) -> None:
    sampler = Sampler(session, ratio)
    found, start = [], first
    for size in sizes:
        found += sampler.sampled(start, start + size)
        start += size
    assert found == Sampler(session, ratio).sampled(first, start)
    assert all(first <= one < start for one in found)
    assert found == sorted(set(found))


@given(ratios, st.text(max_size=8), st.integers(0, 10**9), st.integers(1, 5_000))
def test_the_share_is_the_ratio(ratio: float, session: str, first: int, count: int) -> None:
    # Whole runs lie between two that are cut off; the ratio is rounded to 32 bits.
    found = len(Sampler(session, ratio).sampled(first, first + count))
    assert abs(found - count * ratio) <= 2


def test_a_ratio_of_0_or_1_samples_none_or_all() -> None:
    assert Sampler("a", 0).sampled(0, 1_000) == []
    assert Sampler("a", 1).sampled(0, 1_000) == list(range(1_000))


def test_devices_that_send_in_turn_are_sampled_equally() -> None:
    # Ten devices that send one after the other: to take every tenth message would show one of them alone.
    followed = Counter(number % 10 for number in Sampler("session", 0.1).sampled(0, 10_000))
    assert len(followed) == 10
    assert max(followed.values()) < 2 * min(followed.values())


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1))
def test_a_context_survives_the_header(trace: int, span: int) -> None:
    assert extract_context([("other", b"x"), *TraceContext(trace, span).headers]) == TraceContext(trace, span)


@given(st.binary(max_size=80))
def test_a_header_of_any_bytes_is_a_context_or_nothing(value: bytes) -> None:
    found = extract_context([("traceparent", value)])
    assert found is None or (found.trace_id > 0 and found.span_id > 0)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-" + b"0" * 32 + b"-00000000000000aa-01",
        b"00-" + b"0" * 31 + b"1-0000000000000000-01",
        b"00-" + b"0" * 31 + b"1-00000000000000aa-00",
        b"00-" + b"0" * 31 + b"1-00000000000000aa-01-more",
    ],
)
def test_a_header_that_is_malformed_or_not_sampled_is_none(value: bytes) -> None:
    assert extract_context([("traceparent", value)]) is None


def spans_of(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    return list(exporter.get_finished_spans())


def test_spans_keep_their_trace_times_links_and_attributes() -> None:
    exporter = InMemorySpanExporter()
    tracer = OtelTracer("test", SimpleSpanProcessor(exporter))
    root = tracer.begin("receive", "consumer", 3 * SECOND, 77, attributes={"topic": "a"})
    other = TraceContext(88, 99)
    step = BatchSpans(tracer, "publish", "producer", 4 * SECOND, [root.context, other])
    step.end(5 * SECOND, {"rows": 2})
    root.end(6 * SECOND)
    first, second, receive = spans_of(exporter)
    assert (receive.context.trace_id, receive.parent) == (77, None)
    assert (receive.start_time, receive.end_time) == (3 * 10**9, 6 * 10**9)
    assert dict(receive.attributes or {}) == {"topic": "a"}
    assert receive.resource.attributes["service.name"] == "livetwin-test"
    assert first.parent is not None
    assert (first.context.trace_id, first.parent.span_id) == (77, receive.context.span_id)
    assert [one.context.trace_id for one in first.links] == [88]
    assert second.parent is not None
    assert (second.context.trace_id, second.parent.span_id) == (88, 99)
    assert [one.context.span_id for one in second.links] == [first.context.span_id]
    assert step.context.span_id == first.context.span_id
    assert dict(second.attributes or {}) == {"rows": 2}


def test_a_ratio_of_zero_loads_nothing() -> None:
    program = """
import sys
import api.app, ingest.service, storage.historian.service, stream.service
from runtime.telemetry.tracing import open_tracer
with open_tracer("ingest", 0.0) as tracer:
    assert tracer is None
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_an_unreachable_collector_does_not_delay_the_exit(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port}")
    with open_tracer("ingest", 1.0) as tracer:
        assert tracer is not None
        tracer.begin("receive", "consumer", SECOND, 5).end(2 * SECOND)
