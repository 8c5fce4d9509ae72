"""A connection to an HTTP server that sends any bytes, and tells the status of each answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.chaos.attack.attack import LOOPBACK

ANSWER_S_MAX = 15.0
CLOSED, SILENT = "closed", "no answer"
_HEAD_END = b"\r\n\r\n"
_LOOK_S = 0.5
_ESTABLISHED = 1  # of TCP, in linux/tcp_states.h


def request(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """Return a request; without a header `Host` it has that of this machine."""
    given = {one.partition(":")[0].lower() for one in headers}
    lines = [f"{method} {target} HTTP/1.1", *(() if "host" in given else ("Host: localhost",)), *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + _HEAD_END + body


class HttpAttacker:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes; a closed connection is seen in the answer."""
        if self._writer.is_closing():
            return
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def status(self, wait_s: float = ANSWER_S_MAX) -> str:
        """Return the status of the next answer, after its body has been read."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._status()
        except TimeoutError:
            return SILENT
        except (ConnectionError, asyncio.IncompleteReadError):
            return CLOSED
        except (asyncio.LimitOverrunError, ValueError, IndexError):
            return "unreadable answer"

    async def _status(self) -> str:
        head = await self._reader.readuntil(_HEAD_END)
        lines = head.decode("latin-1").split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if "content-length" in fields:
            await self._reader.readexactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            while (size := int(await self._reader.readuntil(b"\r\n"), 16)) > 0:
                await self._reader.readexactly(size + 2)
            await self._reader.readuntil(b"\r\n")
        return lines[0].split()[1]

    async def until_closed(self) -> None:
        """Read nothing, and return when the server has closed the connection."""
        sock = self._writer.get_extra_info("socket")
        while not self._writer.is_closing():
            # A transport that does not read sees no end of its connection: ask the system for its state.
            if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED:
                return
            await asyncio.sleep(_LOOK_S)

    def stop_reading(self) -> None:
        """Read nothing more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def abort(self) -> None:
        """End the connection."""
        self._writer.transport.abort()


@asynccontextmanager
async def http_attacker(port: int, source: str, *, buffer_bytes: int = 0) -> AsyncIterator[HttpAttacker]:
    """Connect from an address; with `buffer_bytes` the receive buffer has that size. Raises OSError."""
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        sock.bind((source, 0))
        async with asyncio.timeout(ANSWER_S_MAX):
            await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
        reader, writer = await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise
    attacker = HttpAttacker(reader, writer)
    try:
        yield attacker
    finally:
        attacker.abort()
