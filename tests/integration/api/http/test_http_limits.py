"""Senders of endless or slow requests, or over too many connections, are cut off; others are served."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from api.http.limits.bounded_protocol import HEAD_BYTES_MAX

DEADLINE_S = 20.0
REQUEST = b"GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\n"


async def opened(api: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = api.client.base_url
    return await asyncio.open_connection(url.host, url.port)


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return everything received until the connection is closed, which must be soon."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_an_endless_head_is_cut_off(api: Any) -> None:
    reader, writer = await opened(api)
    writer.write(REQUEST)
    sent = 0
    header = b"X-Filler: " + b"x" * 1_000 + b"\r\n"
    try:
        while sent <= 4 * HEAD_BYTES_MAX:
            writer.write(header)
            await writer.drain()
            sent += len(header)
    except ConnectionError:
        pass
    response = await answer(reader)
    writer.close()
    assert response.startswith(b"HTTP/1.1 431 ") or response == b""  # a reset may overtake the response


async def test_a_slow_head_is_cut_off(start_api: Any, kafka: str) -> None:
    async with start_api(kafka, head_timeout_s=0.2) as api:
        reader, writer = await opened(api)
        writer.write(REQUEST)  # without the empty line that ends it
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_silent_connection_is_cut_off(start_api: Any, kafka: str) -> None:
    async with start_api(kafka, head_timeout_s=0.2) as api:
        reader, writer = await opened(api)
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_slow_body_is_cut_off(start_api: Any, kafka: str) -> None:
    async with start_api(kafka, body_timeout_s=0.2) as api:
        reader, writer = await opened(api)
        writer.write(
            b"POST /v1/subscriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Authorization: Bearer sesame\r\nContent-Length: 100\r\n\r\n{"
        )
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_kept_connection_serves_further_requests(api: Any) -> None:
    reader, writer = await opened(api)
    for _ in range(3):
        writer.write(REQUEST + b"\r\n")
        async with asyncio.timeout(DEADLINE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
        assert head.startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_connection_beyond_the_limit_is_closed_and_others_are_served(
    start_api: Any, kafka: str
) -> None:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(start_api(kafka, connections_max=3))
        held = []
        for _ in range(4):
            reader, writer = await opened(api)
            stack.callback(writer.close)
            held.append((reader, writer))
        assert await answer(held[-1][0]) == b""
        reader, writer = held[0]
        writer.write(REQUEST + b"Connection: close\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
