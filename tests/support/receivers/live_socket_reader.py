"""A client of the WebSocket of live events of a running api."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from api.live.messages import ServerMessage

DEADLINE_S = 20.0

_decoder = msgspec.json.Decoder(ServerMessage)


class LiveSocketReader:
    """One connection; fails on a message that its model does not describe."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._events: dict[str, list[dict[str, Any]]] = {}

    async def send(self, type: str, **members: Any) -> None:
        """Send a message."""
        await self.socket.send_json({"type": type, **members})

    async def subscribe(self, name: str = "a", cursor: str | None = None, **filter: Any) -> None:
        """Subscribe, and wait until the server says so."""
        given = {} if cursor is None else {"cursor": cursor}
        await self.send("subscribe", subscription=name, filter=filter, **given)
        await self.answer("subscribed", name)

    async def answer(self, type: str, name: str = "a") -> dict[str, Any]:
        """Return the next message of a type for a subscription; events before it are kept."""
        async with asyncio.timeout(DEADLINE_S):
            while (message := await self.next())["type"] != type or message.get("subscription") != name:
                self._keep(message)
        return message

    async def next(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(DEADLINE_S):
            text = await self.socket.receive_str()
        _decoder.decode(text)
        message: dict[str, Any] = msgspec.json.decode(text)
        return message

    async def event(self, name: str = "a") -> tuple[str, str, dict[str, Any]]:
        """Return id, name and data of the next event of a subscription; those of others are kept."""
        async with asyncio.timeout(DEADLINE_S):
            while not self._events.get(name):
                self._keep(await self.next())
        event = self._events[name].pop(0)
        return event["id"], event["event"], event["data"]

    def _keep(self, message: dict[str, Any]) -> None:
        if message["type"] == "events":
            self._events.setdefault(message["subscription"], []).extend(message["events"])

    async def snapshot(self, name: str = "a") -> list[tuple[str, str, dict[str, Any]]]:
        """Return the events of a snapshot."""
        found = [await self.event(name)]
        while not found[-1][2].get("complete"):
            found.append(await self.event(name))
        assert {event for _, event, _ in found} == {"snapshot"}
        return found

    async def closed(self) -> int | None:
        """Return the code with which the server closes the connection, after what it has sent."""
        async with asyncio.timeout(DEADLINE_S):
            async for _ in self.socket:
                pass
        return self.socket.close_code


@asynccontextmanager
async def live_socket(
    base: str, *, headers: Mapping[str, str] | None = None, protocols: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[LiveSocketReader]:
    """Connect to the api at a URL, without pings of the client."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{base}/v1/live/ws", headers=headers, protocols=protocols, **options) as socket,
    ):
        yield LiveSocketReader(socket)


async def refusal(base: str, path: str = "/v1/live/ws", **options: Any) -> tuple[int, Mapping[str, str]]:
    """Return status and headers with which the api refuses a connection."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(f"{base}{path}", **options):
                raise AssertionError("the connection was accepted")
        except aiohttp.WSServerHandshakeError as error:
            return error.status, dict(error.headers or {})
