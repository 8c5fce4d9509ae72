"""The live stream as npm's EventSource reads it: named events, nothing of keep-alives, and it resumes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from tests.support.repository import ROOT

READER = ROOT / "tests/event_source/reader.mjs"
DEADLINE_S = 60.0
KEEPALIVES = 5


class ReadEvent(NamedTuple):
    """An event as the reader printed it."""

    type: str
    id: str
    data: dict[str, Any]


class EventSourceReader:
    """An EventSource, in a process of its own."""

    def __init__(self, output: asyncio.StreamReader) -> None:
        self._output = output

    async def next(self) -> ReadEvent:
        """Return the next event."""
        async with asyncio.timeout(DEADLINE_S):
            line = await self._output.readline()
        assert line, "the reader ended"
        event = json.loads(line)
        return ReadEvent(event["type"], event["id"], json.loads(event["data"]))


@asynccontextmanager
async def event_source(url: str) -> AsyncIterator[EventSourceReader]:
    """Follow a stream for the block."""
    process = await asyncio.create_subprocess_exec("node", str(READER), url, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield EventSourceReader(process.stdout)
    finally:
        process.kill()
        await process.wait()


async def keepalives(api: Any) -> None:
    """Return when another stream, opened now, has had some keep-alives."""
    seen = 0
    async with asyncio.timeout(DEADLINE_S), api.client.stream("GET", "/v1/live") as response:
        async for line in response.aiter_lines():
            seen += line.startswith(":")
            if seen == KEEPALIVES:
                return


async def test_an_event_source_reads_keep_alives_as_nothing_and_resumes_after_a_restart(
    start_api: Any, kafka: str, log: Any
) -> None:
    await log.write_updates("city.1", "city.2")
    async with AsyncExitStack() as stack:
        async with start_api(kafka) as api:
            await api.shows(2)
            api.context.event_streams.keepalive_s = 0.01
            url = f"{str(api.client.base_url).rstrip('/')}/v1/live"
            source = await stack.enter_async_context(event_source(url))
            snapshot = [await source.next() for _ in range(2)]
            assert [(event.type, event.data["entityId"]) for event in snapshot] == [
                ("snapshot", "city.1"),
                ("snapshot", "city.2"),
            ]
            assert snapshot[-1].data["complete"]
            await keepalives(api)
            await log.write_updates("city.1")
            last = await source.next()
            assert (last.type, last.data["entityId"], last.data["revision"]) == ("state", "city.1", 2)
        # It connects again by itself, and says where it was by Last-Event-ID.
        await log.write_updates("city.2", "city.2", "city.2")
        async with start_api(kafka):
            missed = [await source.next() for _ in range(3)]
            await log.write_updates("city.1")
            after = await source.next()
    assert [(event.type, event.data["entityId"], event.data["revision"]) for event in (*missed, after)] == [
        *(("state", "city.2", revision) for revision in (2, 3, 4)),
        ("state", "city.1", 3),
    ]
    assert len({event.id for event in (*snapshot, last, *missed, after)}) == 7
