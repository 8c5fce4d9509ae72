"""The connections of the embedded broker: requests in, answers out, one after the other on each."""

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
WAITING_REQUESTS_MAX = 64
"""So many requests of a connection wait for the one before them; beyond, it is not read."""

_SIZE = struct.Struct(">i")
# API key, version, correlation id, and the length of the client's name, which follows (-1: none).
_HEADER = struct.Struct(">hhih")


class ProtocolError(Exception):
    """A client sent what cannot be answered; its connection ends."""


class BrokerConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, requests: RequestHandlers) -> None:
        self._requests = requests
        self._received = bytearray()
        self._waiting: deque[bytes] = deque()
        self._work: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn where answers go."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what is being answered: who waits in a group is gone with its connection."""
        if self._work is not None:
            self._work.cancel()

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take in bytes, and answer the requests that are complete."""
        self._received += data
        try:
            self._split()
        except ProtocolError as error:
            self._close(error)
            return
        if len(self._waiting) > WAITING_REQUESTS_MAX:
            self._transport.pause_reading()
        if self._waiting and self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._answer())

    def _split(self) -> None:
        place = 0
        while len(self._received) - place >= _SIZE.size:
            (size,) = _SIZE.unpack_from(self._received, place)
            if not _HEADER.size <= size <= REQUEST_BYTES_MAX:
                raise ProtocolError(f"a request of {size} bytes; at most {REQUEST_BYTES_MAX} are taken")
            end = place + _SIZE.size + size
            if end > len(self._received):
                break
            self._waiting.append(bytes(self._received[place + _SIZE.size : end]))
            place = end
        del self._received[:place]

    async def _answer(self) -> None:
        try:
            while self._waiting:
                data = self._waiting.popleft()
                if not self._waiting:
                    self._transport.resume_reading()
                answer = await answer_request(self._requests, data)
                if answer is not None:
                    await self._writable.wait()
                    self._transport.writelines(answer)
        except ProtocolError as error:
            self._close(error)
        finally:
            self._work = None

    def _close(self, error: ProtocolError) -> None:
        log.warning("a connection from %s is closed: %s", self._transport.get_extra_info("peername"), error)
        self._transport.close()


async def answer_request(requests: RequestHandlers, data: bytes) -> tuple[bytes, bytes] | None:
    """Return the answer to a request, length and id first; None where none is wanted.

    Raises ProtocolError when the request cannot be read, or is of a kind or version that is not known here.
    """
    key, version, correlation, name_length = _HEADER.unpack_from(data)
    known = requests.handlers.get(key)
    # A client asks for versions before it knows any; what it asks for is empty in all that matter here.
    if known is None or (version != known[0].API_VERSION and key != API_VERSIONS):
        raise ProtocolError(f"request {key} in version {version} is not known here")
    kind, answer = known
    body = _HEADER.size + max(0, name_length)
    try:
        client = data[_HEADER.size : body].decode()
        request = kind.decode(BytesIO(data[body:]))
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"request {key} of {len(data)} bytes cannot be read: {error}") from error
    response = await answer(request, client)
    if response is None:
        return None
    content: bytes = response.encode()
    return _SIZE.pack(len(content) + _SIZE.size) + _SIZE.pack(correlation), content


async def serve(requests: RequestHandlers, host: str, port: int) -> asyncio.Server:
    """Answer requests at an address until the server is closed."""
    return await asyncio.get_running_loop().create_server(lambda: BrokerConnection(requests), host, port)
