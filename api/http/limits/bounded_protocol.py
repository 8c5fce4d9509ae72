"""uvicorn's HTTP/1.1 protocol with bounds on heads, connections, slow readers and pipelined requests.

uvicorn collects a head of any size, waits for its end without limit, accepts any number of connections, keeps
an answer until its reader has read it, and parses any number of requests before it answers the first: a few
clients could use up the memory or all file descriptors of the process. When a connection ends, uvicorn tells
only the request that came last.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.limits.bounded_websocket import WEBSOCKET_PATH, handshake_faults
from api.http.limits.request_limits import TARGET_BYTES_MAX
from api.http.limits.waiting_answers import CutOffReason, WaitingAnswers
from api.http.problems import MEDIA_TYPE, ProblemError, problem_model
from api.http.response_headers import TRANSPORT_SECURITY
from api.metrics import ApiMetrics

HEAD_BYTES_MAX = 128 * 1024
"""Of the request line and the headers. A browser that resumes sends two cursors of up to 40,000 characters,
in the query and in Last-Event-ID; `api.http.limits.request_limits` bounds each."""

HEAD_TIMEOUT_S = 10.0
"""From the connection, or the first byte of a further request on it, until the head is complete."""

LINGER_S = 1.0
LINGER_BYTES_MAX = 1024 * 1024
"""A refused client that still sends is read so long: else a reset would take the answer from it
(RFC 9112, 9.6)."""

PARSED_URL_BYTES_MAX = 65_535
"""The longest URL that the parser of httptools takes; of a longer one, only the path is given to it."""

PIECE_BYTES = 512
"""Data is parsed in pieces of this size, until a request waits for the answer to the one before it: few
requests wait in a connection. The data after it waits unparsed, and then no more is read."""


class _HeldFlow(FlowControl):
    """Flow control that reads nothing while requests wait in the connection, whoever asks for more."""

    is_held = False

    def resume_reading(self) -> None:
        """Read further, unless requests wait."""
        if not self.is_held:
            super().resume_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection; it is closed without a response when there are too many."""

    connections_max: int
    head_timeout_s: float
    write_timeout_s: float  #: in which a reader must have taken what was written
    waiting: WaitingAnswers
    metrics: ApiMetrics
    headers_of_all: Mapping[str, str]  #: those that the application sets on every response
    flow: _HeldFlow

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._request_began = False  # in the data that is being parsed
        self._is_in_head = False
        self._is_upgraded = False  # to a WebSocket, which reads what comes
        self._write_timer: asyncio.TimerHandle | None = None
        self.unwritten_bytes = 0  #: of the present answer, which wait until the connection is writable
        self._unparsed = b""  # at most what was read at one time
        self._unanswered: deque[RequestResponseCycle] = deque()  # the first one is being answered
        self._linger_timer: asyncio.TimerHandle | None = None
        self._linger_bytes = 0
        self.is_lost = False  #: whether nobody is left to answer to

    @classmethod
    def with_limits(
        cls,
        connections_max: int,
        *,
        write_timeout_s: float,
        waiting: WaitingAnswers,
        metrics: ApiMetrics,
        headers: Mapping[str, str],
        head_timeout_s: float = HEAD_TIMEOUT_S,
    ) -> type[BoundedHttpProtocol]:
        """Return the class for a server with these limits; uvicorn makes the instances."""
        limits = {
            "connections_max": connections_max,
            "head_timeout_s": head_timeout_s,
            "write_timeout_s": write_timeout_s,
            "waiting": waiting,
            "metrics": metrics,
            "headers_of_all": headers,
        }
        return type(cls.__name__, (cls,), limits)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first head, or close a connection beyond the limit."""
        super().connection_made(transport)
        self.flow = _HeldFlow(transport)
        # What the system does not take at once counts as waiting, and the next part comes after it. With 0
        # an empty TLS connection would count as full.
        transport.set_write_buffer_limits(high=1)
        if len(self.connections) > self.connections_max:
            transport.abort()
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers; tell every request that nobody is left to answer to, and begin none that waits."""
        self._stop_head_timer()
        self._stop_waiting()
        self._abandon_requests()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the time in which the reader must take what was written."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout_s, self.cut_off, "timeout")
        size = self.transport.get_write_buffer_size() + self.unwritten_bytes
        self.waiting.add(self, self._client_name(), size)

    def resume_writing(self) -> None:
        """End that time: the reader has everything."""
        self._stop_waiting()
        super().resume_writing()

    def cut_off(self, reason: CutOffReason) -> None:
        """End the connection at once, with what was not sent."""
        self._stop_waiting()
        self.metrics.readers_cut_off.labels(reason).inc()
        self._abandon_requests()
        self.transport.abort()

    def _abandon_requests(self) -> None:
        self.is_lost = True
        self.pipeline.clear()
        self._unparsed = b""
        for cycle in self._unanswered:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._unanswered.clear()

    def _stop_waiting(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        self.waiting.remove(self)

    def _client_name(self) -> str:
        state = self.cycle.scope["state"] if self.cycle is not None else {}
        return str(state.get("client") or (self.client or [""])[0])

    def data_received(self, data: bytes) -> None:
        """Parse data, until a request waits for the answer to the one before it."""
        if self._linger_timer is not None:
            self._discard(data)
            return
        data = self._unparsed + data
        parsed = 0
        while parsed < len(data) and not self.flow.is_held and not self._is_ending():
            self._parse(data[parsed : parsed + PIECE_BYTES])
            parsed += PIECE_BYTES
        self._unparsed = data[parsed:] if not self._is_ending() else b""
        if self.flow.is_held:
            # The rest of a head waits here, not at the client.
            self._stop_head_timer()

    def _parse(self, data: bytes) -> None:
        """Parse data; end a connection whose head is too large."""
        self._request_began = False
        super().data_received(data)
        between = self.cycle is not None and self.cycle.response_complete and not self._request_began
        if between and self._head_timer is None:
            # Line breaks between requests start no request, but end the idle time of the connection.
            self._start_head_timer()
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                is_url = len(self.url or b"") > TARGET_BYTES_MAX
                self._refuse(
                    HTTPStatus.REQUEST_URI_TOO_LONG if is_url else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                )

    def on_message_begin(self) -> None:
        """Start the timer of a head whose first byte has arrived."""
        super().on_message_begin()
        self._request_began = self._is_in_head = True
        if self._head_timer is None:
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        """Stop the timer: the application bounds the body."""
        self._is_in_head = False
        self._stop_head_timer()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        # Not the connection itself: a cycle of references would keep every closed one.
        self.scope["state"]["connection"] = weakref.proxy(self)
        query = b""
        if len(self.url) > PARSED_URL_BYTES_MAX:
            self.url, _, query = self.url.partition(b"?")
        super().on_headers_complete()
        if query:
            # The request begins in a task of its own, after this.
            self.scope["query_string"] = query.partition(b"#")[0]
        self._unanswered.append(self.cycle)
        self.flow.is_held = bool(self.pipeline)

    def on_response_complete(self) -> None:
        """Begin the next request; parse further once none waits."""
        if self._unanswered:  # Writing the answer may have cut the connection off.
            self._unanswered.popleft()
        super().on_response_complete()
        if self.flow.is_held and not self.pipeline and not self.transport.is_closing():
            self.flow.is_held = False
            self.flow.resume_reading()
            if self._is_in_head:
                self._start_head_timer()
            self.data_received(b"")

    def _should_upgrade(self) -> bool:
        """Whether the request becomes a WebSocket; a faulty handshake is answered as a request."""
        return (
            super()._should_upgrade()
            and self.scope["method"] == "GET"
            and self.parser.get_http_version() == "1.1"
            and self.url.partition(b"?")[0] == WEBSOCKET_PATH
            # Answers to earlier requests would be written into the WebSocket, or delay it unnoticed.
            and not self._unanswered
            and not self.flow.write_paused
            and not handshake_faults(self.headers)
        )

    def handle_websocket_upgrade(self) -> None:
        """Give the connection to the protocol of WebSockets."""
        self._is_upgraded = True
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer data that is not HTTP, and a path that is too long to be parsed."""
        is_path = len(self.url or b"") > PARSED_URL_BYTES_MAX
        self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG if is_path else HTTPStatus.BAD_REQUEST)

    def _start_head_timer(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer with a problem, unless a response is being sent, and close the connection."""
        self._stop_head_timer()
        if self._is_ending():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = msgspec.json.encode(problem_model(ProblemError(status, self._detail(status)), ""))
            head = "".join(f"{name}: {value}\r\n" for name, value in self._refusal_headers(len(body)).items())
            self.transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body)
            if status is not HTTPStatus.REQUEST_TIMEOUT:
                self._linger()
                return
        self.transport.close()

    def _is_ending(self) -> bool:
        return self.transport.is_closing() or self._linger_timer is not None or self._is_upgraded

    def _linger(self) -> None:
        """Write nothing more; close the connection when its client does, or has had the time to."""
        self._linger_timer = self.loop.call_later(LINGER_S, self.transport.close)
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _discard(self, data: bytes) -> None:
        self._linger_bytes += len(data)
        if self._linger_bytes > LINGER_BYTES_MAX:
            self.transport.close()

    def _refusal_headers(self, body_bytes: int) -> dict[str, str]:
        headers = {
            **self.headers_of_all,
            "content-type": MEDIA_TYPE,
            "content-length": str(body_bytes),
            "connection": "close",
        }
        if self.scheme == "https":
            headers["Strict-Transport-Security"] = TRANSPORT_SECURITY
        return headers

    def _detail(self, status: HTTPStatus) -> str:
        if status is HTTPStatus.REQUEST_TIMEOUT:
            return f"The head did not arrive within {self.head_timeout_s:g} s; send the request again."
        if status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return f"The head has more than {HEAD_BYTES_MAX} bytes."
        if status is HTTPStatus.REQUEST_URI_TOO_LONG:
            return (
                f"The path has at most {PARSED_URL_BYTES_MAX} bytes, path and query together at most "
                f"{TARGET_BYTES_MAX}; request fewer items."
            )
        return "This is not an HTTP request."
