"""A client of the live stream that moves between replicas of the api, and records what it receives."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import httpx

from tests.support.receivers.live_stream_reader import LiveStreamReader

EVENTS_PER_REPLICA = 150
"""Events after which it goes to the other replica of its own accord."""

TIMEOUT_S = 20.0
_LOOK_S = 0.05


class SeenState(NamedTuple):
    """The content of an event about an entity with one property."""

    revision: int
    age: int  #: a value is sent again when it is no longer live, and when its sensor falls silent
    phenomenon_time: str
    value: float


class FailoverClient:
    """Follows everything. Where its replica ends, it goes on at the next one, from its last event."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._cursor = ""
        self.states: defaultdict[str, list[SeenState]] = defaultdict(
            list
        )  #: by entity, in the order of coming
        self.other_events: list[
            tuple[str, dict[str, Any]]
        ] = []  #: what is no state: a gap, or a second snapshot
        self.failovers = 0
        self.joined = asyncio.Event()

    async def follow(self) -> None:
        """Follow until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            for address in cycle(self._addresses):
                try:
                    await self._stay(client, address)
                except (httpx.HTTPError, AssertionError):
                    # It is away, or went away in the middle of the stream.
                    await asyncio.sleep(_LOOK_S)
                self.failovers += 1

    async def _stay(self, client: httpx.AsyncClient, address: str) -> None:
        headers = {"Last-Event-ID": self._cursor} if self._cursor else {}
        async with client.stream("GET", f"{address}/v1/live", headers=headers) as response:
            response.raise_for_status()
            events = LiveStreamReader(response)
            if not self._cursor:
                self._cursor = (await events.snapshot())[-1][0]
                self.joined.set()
            for _ in range(EVENTS_PER_REPLICA):
                self._cursor, name, data = await events.next()
                if name == "state":
                    self.states[data["entityId"]].append(_state(data))
                else:
                    self.other_events.append((name, data))


async def live_snapshot(address: str) -> dict[str, SeenState]:
    """Return the state of every entity, as a replica sends it to a new client."""
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S) as client,
        client.stream("GET", f"{address}/v1/live") as response,
    ):
        events = await LiveStreamReader(response.raise_for_status()).snapshot()
    return {data["entityId"]: _state(data) for _, _, data in events if "entityId" in data}


def _state(data: dict[str, Any]) -> SeenState:
    age = ("live", "stale", "silent").index(data["freshness"])
    return SeenState(data["revision"], age, data["phenomenonTime"], data["value"])
