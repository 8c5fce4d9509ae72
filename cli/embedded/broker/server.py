"""The connections of the embedded broker: each handles its requests one after the other."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from io import BytesIO
from typing import cast

from cli.embedded.broker.request_handlers import API_VERSIONS, RequestHandlers

log = logging.getLogger(__name__)

REQUEST_BYTES_MAX = 64 * 1024 * 1024
QUEUED_REQUESTS_MAX = 64
"""Requests of one connection that may be queued; above this, the broker stops reading from it."""

_SIZE = struct.Struct(">i")
# API key, version, correlation id, and the length of the client id that follows (-1: none).
_HEADER = struct.Struct(">hhih")


class ProtocolError(Exception):
    """A request cannot be read or is not supported; the broker closes the connection."""


class BrokerConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, handlers: RequestHandlers) -> None:
        self._handlers = handlers
        self._received = bytearray()
        self._queue: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport for responses."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the current request, so that a group removes a member that waits in it."""
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Send no more responses until the client has read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Continue to send responses."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Buffer bytes, and handle the requests that are complete."""
        self._received += data
        try:
            self._split()
        except ProtocolError as error:
            self._close(error)
            return
        if len(self._queue) > QUEUED_REQUESTS_MAX:
            self._transport.pause_reading()
        if self._queue and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._handle_queue())

    def _split(self) -> None:
        position = 0
        while len(self._received) - position >= _SIZE.size:
            (size,) = _SIZE.unpack_from(self._received, position)
            if not _HEADER.size <= size <= REQUEST_BYTES_MAX:
                raise ProtocolError(
                    f"a request of {size} bytes, expected {_HEADER.size} to {REQUEST_BYTES_MAX} bytes"
                )
            end = position + _SIZE.size + size
            if end > len(self._received):
                break
            self._queue.append(bytes(self._received[position + _SIZE.size : end]))
            position = end
        del self._received[:position]

    async def _handle_queue(self) -> None:
        try:
            while self._queue:
                data = self._queue.popleft()
                if not self._queue:
                    self._transport.resume_reading()
                response = await handle_request(self._handlers, data)
                if response is not None:
                    await self._writable.wait()
                    self._transport.writelines(response)
        except ProtocolError as error:
            self._close(error)
        finally:
            self._task = None

    def _close(self, error: ProtocolError) -> None:
        log.warning(
            "closing a connection from %s: %s",
            self._transport.get_extra_info("peername"),
            error,
            extra={"event": "broker.connection_closed"},
        )
        self._transport.close()


async def handle_request(handlers: RequestHandlers, data: bytes) -> tuple[bytes, bytes] | None:
    """Return the header and body of the response to a request; None if the client expects no response.

    Raises ProtocolError when the request cannot be read, or its kind or version is not supported.
    """
    key, version, correlation, name_length = _HEADER.unpack_from(data)
    supported = handlers.handlers.get(key)
    # A client sends ApiVersions in any version before it knows ours; the relevant ones have empty bodies.
    if supported is None or (version != supported[0].API_VERSION and key != API_VERSIONS):
        raise ProtocolError(f"request {key} in version {version} is not supported")
    request_type, handle = supported
    body = _HEADER.size + max(0, name_length)
    try:
        client = data[_HEADER.size : body].decode()
        request = request_type.decode(BytesIO(data[body:]))
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"request {key} of {len(data)} bytes cannot be read: {error}") from error
    response = await handle(request, client)
    if response is None:
        return None
    content: bytes = response.encode()
    return _SIZE.pack(len(content) + _SIZE.size) + _SIZE.pack(correlation), content


async def serve(handlers: RequestHandlers, host: str, port: int) -> asyncio.Server:
    """Start a server for requests at an address; the caller closes it."""
    return await asyncio.get_running_loop().create_server(lambda: BrokerConnection(handlers), host, port)
