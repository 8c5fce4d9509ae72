"""uvicorn's protocol of HTTP/1.1, with bounds on what somebody may send before a request begins.

uvicorn collects the head of a request however large it gets, waits for its end as long as it takes, and takes
any number of connections: a few senders could hold the memory, or all descriptors, of the process.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import MEDIA_TYPE, ProblemError, problem_document
from api.http.response_headers import API_VERSION

HEAD_BYTES_MAX = 128 * 1024
"""Of the request line and the headers: a browser that resumes sends two cursors of 40,000 characters at most,
one in the query and one in Last-Event-ID. The gate (`api.http.request_limits`) bounds each."""

HEAD_S_MAX = 10.0
"""From the connection, or the begin of a further request on it, until the head is there."""


_DETAILS = {
    HTTPStatus.BAD_REQUEST: "That is no HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: f"The head was not there after {HEAD_S_MAX:g} s; send the request again.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"The head has more than {HEAD_BYTES_MAX} bytes.",
}


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection; one of too many is closed without a word."""

    connections_max: int

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._head_late: asyncio.TimerHandle | None = None
        self._begun = False  # whether a request began in the data that is looked at

    @classmethod
    def with_connections(cls, connections_max: int) -> type[BoundedHttpProtocol]:
        """Return the class for a server with so many connections at one time."""
        return type(cls.__name__, (cls,), {"connections_max": connections_max})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            transport.abort()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; end a connection whose head is too large."""
        if self.transport.is_closing():
            return
        self._begun = False
        super().data_received(data)
        between = self.cycle is not None and self.cycle.response_complete and not self._begun
        if between and self._head_late is None:
            # Line breaks between requests are no request yet, and no silence either.
            self._expect_head()
        if self._head_late is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Wait for the head of a request whose first byte is there."""
        super().on_message_begin()
        self._begun = True
        if self._head_late is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Have the head; the body is the application's to bound."""
        self._have_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_late = self.loop.call_later(HEAD_S_MAX, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _have_head(self) -> None:
        if self._head_late is not None:
            self._head_late.cancel()
            self._head_late = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer with a problem, unless an answer is under way, and close."""
        self._have_head()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = msgspec.json.encode(problem_document(ProblemError(status, _DETAILS[status]), ""))
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\napi-version: {API_VERSION}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
