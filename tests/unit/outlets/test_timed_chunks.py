"""A stream whose reader does not wait for ever: the stream itself goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from outlets.webhook_delivery import timed_chunks


async def test_nothing_is_lost_while_a_reader_stops_waiting() -> None:
    ready, closed = asyncio.Event(), []

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            yield b"1"
            await ready.wait()
            yield b"2"
            yield b"3"
        finally:
            closed.append(True)

    found = []
    async with aclosing(frames()) as stream, aclosing(timed_chunks(stream, lambda: 0.0)) as chunks:
        async for chunk in chunks:
            if chunk:
                found.append(chunk)
            if found == [b"1"] and not chunk:
                ready.set()
    assert found == [b"1", b"2", b"3"]
    assert closed == [True]


async def test_a_reader_that_leaves_ends_the_stream() -> None:
    closed = []

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                await asyncio.Event().wait()
                yield b""
        finally:
            closed.append(True)

    async with aclosing(frames()) as stream, aclosing(timed_chunks(stream, lambda: 0.0)) as chunks:
        async for chunk in chunks:
            assert chunk == b""
            break
    assert closed == [True]
