"""Asking a server on loopback whether it is healthy, without an HTTP library."""

from __future__ import annotations

import asyncio

from cli.embedded.ports import LOOPBACK

_OK = 200
_ANSWER_TIMEOUT_S = 5.0
_PAUSE_S = 0.05


async def wait_until_healthy(port: int, path: str) -> None:
    """Return once `GET path` is answered with 200; the caller sets the deadline."""
    while True:
        if await http_status(port, path) == _OK:
            return
        await asyncio.sleep(_PAUSE_S)


async def http_status(port: int, path: str) -> int | None:
    """Return the status of `GET path`, or None when there is no answer."""
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
        return int(line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        return None
