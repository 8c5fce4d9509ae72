"""uvicorn's WebSocket protocol with bounds on frames and slow readers, and the check of handshakes.

uvicorn answers each ping though nobody reads, waits for a slow reader without limit, and takes frames at any
rate. Which path may be upgraded, and whether the handshake is right, is decided while the request is HTTP:
then its faults are answered as those of every request.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto import events

from api.http.limits.rate_limiter import RateLimiter
from api.http.limits.request_limits import TARGET_BYTES_MAX
from api.http.limits.waiting_answers import CutOffReason, WaitingAnswers
from api.http.problems import RequestFault
from api.metrics import ApiMetrics

WEBSOCKET_PATH = b"/v1/live/ws"
"""The only path that is upgraded."""

VERSION = "13"
"""Of the protocol (RFC 6455)."""

MESSAGE_BYTES_MAX = TARGET_BYTES_MAX
"""Of a client: a cursor and 500 names, as in a URL."""

PING_S = 20.0
PONG_TIMEOUT_S = 30.0
"""As long as a reader may take for what was written before the ping (`LIVETWIN_WRITE_TIMEOUT_S`)."""

FRAMES_PER_S = 50.0
FRAMES_BURST = 500
"""Parsing one takes some 10 us: a burst holds up others for 5 ms."""

LINGER_S = 1.0
LINGER_BYTES_MAX = 1024 * 1024

PIECE_BYTES = 2 * 1024
"""Data is parsed in pieces of this size, so that parsing ends with the burst."""

NONCE_BYTES = 16

_POLICY_VIOLATION = 1008


class BoundedWebSocketProtocol(WSProtocol):
    """One WebSocket; it takes the place of the HTTP protocol of its connection, also among those counted."""

    write_timeout_s: float  #: in which a reader must have taken what was written
    waiting: WaitingAnswers
    metrics: ApiMetrics

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._write_timer: asyncio.TimerHandle | None = None
        self._frames = RateLimiter(FRAMES_PER_S, FRAMES_BURST, clients_max=1)
        self._unanswered_ping: events.Ping | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._linger_bytes = 0

    @classmethod
    def with_limits(
        cls, *, write_timeout_s: float, waiting: WaitingAnswers, metrics: ApiMetrics
    ) -> type[BoundedWebSocketProtocol]:
        """Return the class for a server with these limits; uvicorn makes the instances."""
        return type(
            cls.__name__, (cls,), {"write_timeout_s": write_timeout_s, "waiting": waiting, "metrics": metrics}
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time for the reader."""
        self._stop_waiting()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the time in which the reader must take what was written."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout_s, self.cut_off, "timeout")
        client = str(self.scope["state"].get("client") or (self.client or [""])[0])
        self.waiting.add(self, client, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """End that time: the reader has everything. Answer the last ping that came meanwhile."""
        self._stop_waiting()
        super().resume_writing()
        ping, self._unanswered_ping = self._unanswered_ping, None
        if ping is not None and not self.close_sent and not self.transport.is_closing():
            super().handle_ping(ping)

    def cut_off(self, reason: CutOffReason) -> None:
        """End the connection at once, with what was not sent."""
        self._stop_waiting()
        self.metrics.readers_cut_off.labels(reason).inc()
        self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        self.waiting.remove(self)

    def data_received(self, data: bytes) -> None:
        """Parse data, until the connection ends."""
        if self._linger_timer is not None:
            self._linger_bytes += len(data)
            if self._linger_bytes > LINGER_BYTES_MAX:
                self.transport.close()
            return
        for first in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing() or self._linger_timer is not None:
                return
            super().data_received(data[first : first + PIECE_BYTES])

    def handle_message(self, event: events.TextMessage | events.BytesMessage) -> None:
        """Take a part of a message."""
        if self._may_take_frame():
            super().handle_message(event)

    def handle_ping(self, event: events.Ping) -> None:
        """Answer a ping; where the reader is slow, only the last one, when it has read (RFC 6455, 5.5.3)."""
        if not self._may_take_frame():
            return
        if self.writable.is_set():
            super().handle_ping(event)
        else:
            self._unanswered_ping = event

    def handle_pong(self, event: events.Pong) -> None:
        """Take a pong."""
        if self._may_take_frame():
            super().handle_pong(event)

    def _may_take_frame(self) -> bool:
        """Whether a further frame is within the rate; the connection is closed otherwise."""
        if self.close_sent or self._frames.take("", self.loop.time()).granted:
            return not self.close_sent
        self.metrics.requests_limited.labels("frames").inc()
        self.close_sent = True
        reason = f"More than {FRAMES_PER_S:g} frames a second"
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _POLICY_VIOLATION, "reason": reason})
        self.transport.write(self.conn.send(events.CloseConnection(code=_POLICY_VIOLATION, reason=reason)))
        # Its data is read and not parsed: a reset would take the closing message from it.
        self._linger_timer = self.loop.call_later(LINGER_S, self.transport.close)
        return False


def handshake_faults(headers: Iterable[tuple[bytes, bytes]]) -> list[RequestFault]:
    """Return the faults of a GET as the opening handshake of a WebSocket (RFC 6455, 4.2.1).

    >>> [fault.name for fault in handshake_faults([(b"upgrade", b"websocket"), (b"connection", b"Upgrade")])]
    ['Sec-WebSocket-Version', 'Sec-WebSocket-Key']
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))

    def fault(name: str, expected: str) -> RequestFault:
        found = ", ".join(values.get(name.lower(), ()))[:100]
        return RequestFault("header", name, "handshake", f"found {found!r}, expected {expected} (RFC 6455)")

    tokens = ",".join(values.get("connection", ())).lower().split(",")
    faults = []
    if values.get("upgrade", [""])[0].lower() != "websocket":
        faults.append(fault("Upgrade", "websocket"))
    if "upgrade" not in (token.strip() for token in tokens):
        faults.append(fault("Connection", "Upgrade"))
    if values.get("sec-websocket-version") != [VERSION]:
        faults.append(fault("Sec-WebSocket-Version", VERSION))
    if not _is_nonce(values.get("sec-websocket-key", ())):
        faults.append(fault("Sec-WebSocket-Key", f"{NONCE_BYTES} bytes in base64"))
    # wsproto reads these as ASCII, and fails on others.
    faults += [
        fault(name, "ASCII characters")
        for name in ("Host", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol")
        if not all(value.isascii() for value in values.get(name.lower(), ()))
    ]
    if not faults and not _is_host(values.get("host", ())):
        faults.append(fault("Host", "one host"))
    return faults


def _is_nonce(values: Iterable[str]) -> bool:
    try:
        (value,) = values
        return len(base64.b64decode(value, validate=True)) == NONCE_BYTES
    except (ValueError, binascii.Error):
        return False


def _is_host(values: Iterable[str]) -> bool:
    try:
        (value,) = values
        return bool(value.encode().decode("idna"))
    except ValueError:
        return False
