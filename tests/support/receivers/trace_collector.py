"""A trace collector in a thread: receives OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class ExportedSpan(NamedTuple):
    """An exported span."""

    service: str
    name: str
    trace: int
    span: int
    parent: int  #: 0: the root of its trace
    start: int  #: nanoseconds since the epoch
    end: int
    attributes: dict[str, str | int]


class TraceCollector:
    """The received spans."""

    def __init__(self) -> None:
        self.spans: list[ExportedSpan] = []
        self.endpoint = ""

    def spans_of(self, trace: int) -> list[ExportedSpan]:
        """Return the spans of a trace."""
        return [one for one in list(self.spans) if one.trace == trace]

    def receive(self, body: bytes) -> None:
        """Add the spans of one request body."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {one.key: one.value.string_value for one in resource.resource.attributes}[
                "service.name"
            ]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {
                        one.key: one.value.string_value or one.value.int_value for one in span.attributes
                    }
                    self.spans.append(
                        ExportedSpan(
                            service,
                            span.name,
                            int.from_bytes(span.trace_id),
                            int.from_bytes(span.span_id),
                            int.from_bytes(span.parent_span_id),
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            attributes,
                        )
                    )


@contextmanager
def trace_collector() -> Iterator[TraceCollector]:
    """Yield a collector that listens on a free port of loopback."""
    collector = TraceCollector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.receive(self.rfile.read(int(self.headers["Content-Length"])))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
