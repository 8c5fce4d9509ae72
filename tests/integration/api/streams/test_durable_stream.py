"""The Durable Stream of a running api: read by the protocol's own client, however often it is cut."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.repository import ROOT

READER = ROOT / "tests/durable_streams/reader.mjs"
DEADLINE_S = 60.0
ENTITIES = ("city.1", "city.2", "city.3")
SHORT = {"stream_connection_s": 0.5, "stream_long_poll_s": 0.2}


class Follower:
    """The client of the protocol, in a process of its own."""

    def __init__(self, output: asyncio.StreamReader) -> None:
        self._output = output
        self.offset = "-1"
        self.revisions: defaultdict[str, list[int]] = defaultdict(list)

    async def until(self, revision: int) -> None:
        """Read until each entity has a revision."""
        async with asyncio.timeout(DEADLINE_S):
            while any(self.revisions[entity][-1:] != [revision] for entity in ENTITIES):
                line = await self._output.readline()
                assert line, "the client ended"
                batch = json.loads(line)
                for item in batch["items"]:
                    assert item["event"] == "state"
                    self.revisions[item["data"]["entityId"]].append(item["data"]["revision"])
                assert batch["offset"] > self.offset or not batch["items"]
                self.offset = batch["offset"]


@asynccontextmanager
async def follow(api: Any, live: str, offset: str) -> AsyncIterator[Follower]:
    url = f"{str(api.client.base_url).rstrip('/')}/v1/streams/live"
    process = await asyncio.create_subprocess_exec(
        "node", str(READER), url, offset, live, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Follower(process.stdout)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("live", ["long-poll", "sse"])
@pytest.mark.parametrize("ring_events_max", [2, 1_000])
async def test_the_client_of_others_misses_nothing_and_gets_nothing_twice(
    start_api: Any, kafka: str, log: Any, live: str, ring_events_max: int
) -> None:
    async with start_api(kafka, ring_events_max=ring_events_max, **SHORT) as api:
        for _ in range(10):
            await log.write_updates(*ENTITIES, "city.7")
        async with follow(api, live, "-1") as first:
            await first.until(10)
            # Connections end and begin meanwhile; the household, city.7, moves the offset alone.
            for _ in range(20):
                await log.write_updates(*ENTITIES)
                await log.write_updates("city.7")
            await first.until(30)
        for _ in range(10):
            await log.write_updates(*ENTITIES)
        async with follow(api, live, first.offset) as second:
            await second.until(40)
    assert dict(first.revisions) == {entity: list(range(1, 31)) for entity in ENTITIES}
    assert dict(second.revisions) == {entity: list(range(31, 41)) for entity in ENTITIES}
