"""The Python client on a running api: connections that are killed at random, and the script of its guide."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from cli.embedded.ports import free_port as find_free_port
from livetwin_client import BadRequestError, CursorStore, FileCursorStore, LiveEvent, LiveTwin, Retries
from tests.support.repository import ROOT

GUIDE = ROOT / "docs/how-to/python-client.md"
SCRIPT_LINES_MAX = 25
DEADLINE_S = 120.0
RECORDS = 75
EVENTS = RECORDS * 3 + 1
CUTS_MIN = 100
BYTES_MAX = 1_500  # An event has some 430.
AT_ONCE = Retries(first_delay_s=0.001, delay_s_max=0.001)


@pytest.fixture(autouse=True)
def attempts_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", "livetwin_client")


class CuttingTransport(httpx.AsyncBaseTransport):
    """Real connections, each to an api that chance decides, and cut after as many bytes of the body."""

    def __init__(self, random: Random, bytes_max: int, ports: Sequence[int]) -> None:
        self._transport = httpx.AsyncHTTPTransport()
        self._random = random
        self._bytes_max = bytes_max
        self._ports = ports
        self.cuts = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self._random.choice(self._ports))
        response = await self._transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        left = self._random.randint(0, self._bytes_max)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_CutStream(self, response.stream, left)
        )

    async def aclose(self) -> None:
        await self._transport.aclose()


class _CutStream(httpx.AsyncByteStream):
    def __init__(self, transport: CuttingTransport, stream: httpx.AsyncByteStream, left: int) -> None:
        self._transport = transport
        self._stream = stream
        self._left = left

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk[: self._left]
            self._left -= len(chunk)
            if self._left < 0:
                self._transport.cuts += 1
                raise httpx.ReadError("cut")

    async def aclose(self) -> None:
        await self._stream.aclose()


def as_bytes(events: Iterable[LiveEvent]) -> bytes:
    """Return names and data as the stream has them: its JSON has no spaces, and members keep their order.

    A cursor also says until when ageing was sent, so two connections give one event different ones.
    """
    found = [[event["event"], event["data"]] for event in events]
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()


def by_entity(events: Iterable[LiveEvent]) -> dict[str, bytes]:
    found = defaultdict(list)
    for event in events:
        assert event["event"] == "state"
        found[event["data"]["entityId"]].append(event)
    return {entity: as_bytes(each) for entity, each in found.items()}


async def collect(twin: LiveTwin, into: list[LiveEvent], cursors: CursorStore) -> None:
    """Follow the stream for as many events as are written."""
    async with asyncio.timeout(DEADLINE_S), aclosing(twin.live(cursors=cursors)) as events:
        async for event in events:
            into.append(event)
            if len(into) == EVENTS:
                return


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_client_that_is_cut_off_at_random_gets_what_one_that_stayed_gets(
    replicas: int, start_api: Any, kafka: str, log: Any, tmp_path: Path
) -> None:
    seed = 20261201
    stayed: list[LiveEvent] = []
    resumed: list[LiveEvent] = []
    position = tmp_path / "cursor"

    async with AsyncExitStack() as stack:
        opened = stack.enter_async_context
        unlimited = {"client_requests_per_s": 10_000, "client_requests_burst": 10_000}
        api = await opened(start_api(kafka, **unlimited))
        ports = [api.client.base_url.port]
        for _ in range(1, replicas):
            ports.append(find_free_port())
            await opened(start_api(kafka, port=ports[-1], **unlimited))
        transport = CuttingTransport(Random(seed), BYTES_MAX, ports)
        address = str(api.client.base_url)
        steady = await opened(LiveTwin(address))
        cut_off = await opened(
            LiveTwin(address, retries=AT_ONCE, transport=transport, random=Random(seed)),
        )
        # Both begin at the same place: after the snapshot of an empty city.
        async with aclosing(steady.live(cursors=FileCursorStore(position))) as events:
            assert (await anext(events))["data"] == {"complete": True}
            await log.write_updates("city.1")
            assert (await anext(events))["event"] == "state"
        followers = [
            asyncio.create_task(collect(steady, stayed, FileCursorStore(position))),
            asyncio.create_task(collect(cut_off, resumed, _copy(position, tmp_path / "other"))),
        ]
        try:
            async with asyncio.timeout(DEADLINE_S):
                for number in range(RECORDS):
                    await log.write([log.update(f"city.{number % 7}") for _ in range(1 + number % 5)])
                await asyncio.gather(*followers)
        finally:
            for each in followers:
                each.cancel()
    assert transport.cuts >= CUTS_MIN
    assert len(stayed) == EVENTS
    if replicas == 1:
        assert as_bytes(resumed) == as_bytes(stayed), f"seed {seed}"
    # Replicas read partitions in an order of their own; that of each entity is one.
    assert by_entity(resumed) == by_entity(stayed), f"seed {seed}"


def _copy(path: Path, target: Path) -> FileCursorStore:
    target.write_text(path.read_text())
    return FileCursorStore(target)


async def test_entities_come_over_pages_and_faults_are_raised(api: Any) -> None:
    async with LiveTwin(str(api.client.base_url)) as twin:
        found = [each["id"] async for each in twin.entities(type="Neighbourhood", limit=3)]
        assert found == [f"city.{number}" for number in range(8)]
        with pytest.raises(BadRequestError) as caught:
            await anext(twin.live(property="pm25", type="Neighborhood"))
    assert {fault["name"] for fault in caught.value.problem["errors"]} == {"property.0", "type.0"}


async def test_the_script_of_the_guide_prints_what_is_above_the_limit(api: Any, log: Any) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(script.splitlines()) <= SCRIPT_LINES_MAX
    assert "http://localhost:8080" in script
    await log.write([log.update("city.1", value=30.5)])
    await log.write([log.update("city.2", value=24.0)])
    await api.shows(2)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script.replace("http://localhost:8080", str(api.client.base_url).rstrip("/")),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "clients/python")},
        cwd=Path(__file__).parent,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            assert (await process.stdout.readline()).endswith(b"Z city.1 30.5 ug/m3\n")
            await log.write([log.update("city.2", value=25.0)])
            await log.write([log.update("city.3", value=25.1)])
            assert (await process.stdout.readline()).endswith(b"Z city.3 25.1 ug/m3\n")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
