"""Who sends without end, without haste or over ever more connections is cut off, and others are answered."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from api.http import bodies, bounded_protocol

DEADLINE_S = 20.0
REQUEST = b"GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\n"


async def opened(api: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = api.client.base_url
    return await asyncio.open_connection(url.host, url.port)


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return all that comes until the connection is closed, which must be soon."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_head_without_end_is_cut_off(api: Any) -> None:
    reader, writer = await opened(api)
    writer.write(REQUEST)
    sent = 0
    header = b"X-Filler: " + b"x" * 1_000 + b"\r\n"
    try:
        while sent <= 4 * bounded_protocol.HEAD_BYTES_MAX:
            writer.write(header)
            await writer.drain()
            sent += len(header)
    except ConnectionError:
        pass
    found = await answer(reader)
    writer.close()
    assert found.startswith(b"HTTP/1.1 431 ") or found == b""  # a reset overtakes what was said


async def test_a_head_that_takes_its_time_is_cut_off(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_S_MAX", 0.2)
    reader, writer = await opened(api)
    writer.write(REQUEST)  # and not the empty line that ends it
    assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_who_connects_and_says_nothing_is_cut_off(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_S_MAX", 0.2)
    reader, writer = await opened(api)
    assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_takes_its_time_is_cut_off(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S_MAX", 0.2)
    reader, writer = await opened(api)
    writer.write(
        b"POST /v1/subscriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Authorization: Bearer sesame\r\nContent-Length: 100\r\n\r\n{"
    )
    assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_connection_that_is_kept_serves_further_requests(api: Any) -> None:
    reader, writer = await opened(api)
    for _ in range(3):
        writer.write(REQUEST + b"\r\n")
        async with asyncio.timeout(DEADLINE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
        assert head.startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_one_connection_too_many_is_closed_and_the_others_are_answered(
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
