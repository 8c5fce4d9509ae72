"""A subscriber of everything, as a program that may be killed: each line of its output is a batch of events.

`python -m benchmarks.load.live_subscriber SURFACE URL CURSOR` prints lines of JSON:
`{"cursor": "…", "events": [{"event": "…", "data": {…}}, …]}`. A cursor is the place after the events of its
line. Without one, "", the events begin with a snapshot. It ends when the connection breaks.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import msgspec

Batch = tuple[str, Sequence["Event"]]
"""Cursor and events."""


class Event(msgspec.Struct, frozen=True):
    """An event; its data are kept as they came."""

    event: str
    data: msgspec.Raw
    id: str = ""


class _EventsMessage(msgspec.Struct, frozen=True):
    """A message of the server on a WebSocket, as far as it has events."""

    type: str
    events: tuple[Event, ...] = ()


_message = msgspec.json.Decoder(_EventsMessage)


async def server_sent_events(url: str, cursor: str) -> AsyncIterator[Batch]:
    """Yield each event of one connection to `/v1/live`."""
    import httpx  # noqa: PLC0415 - a program uses one surface, and is started a hundred times
    from httpx_sse import aconnect_sse  # noqa: PLC0415

    headers = {"Last-Event-ID": cursor} if cursor else {}
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(30.0)) as client,
        aconnect_sse(client, "GET", f"{url}/v1/live", headers=headers) as source,
    ):
        source.response.raise_for_status()
        async for event in source.aiter_sse():
            if event.event != "message":
                yield event.id, [Event(event.event, msgspec.Raw(event.data.encode()))]


async def web_socket(url: str, cursor: str) -> AsyncIterator[Batch]:
    """Yield the events of each message of one connection to `/v1/live/ws`."""
    import aiohttp  # noqa: PLC0415

    given = {"cursor": cursor} if cursor else {}
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/v1/live/ws") as socket:
        await socket.send_json({"type": "subscribe", "subscription": "all", "filter": {}, **given})
        async for received in socket:
            if events := _message.decode(received.data).events:
                yield events[-1].id, events


async def python_client(url: str, cursor: str) -> AsyncIterator[Batch]:
    """Yield each event that the Python client yields."""
    from livetwin_client import LiveTwin, MemoryCursorStore  # noqa: PLC0415

    async with (
        LiveTwin(url) as twin,
        aclosing(twin.live(cursors=MemoryCursorStore(cursor or None))) as events,
    ):
        async for event in events:
            data = json.dumps(event["data"], separators=(",", ":"), ensure_ascii=False)
            yield event["id"], [Event(event["event"], msgspec.Raw(data.encode()))]


SURFACES: dict[str, Callable[[str, str], AsyncIterator[Batch]]] = {
    "sse": server_sent_events,
    "websocket": web_socket,
    "python-client": python_client,
}


async def print_batches(surface: str, url: str, cursor: str) -> None:
    """Print each batch in one write, so that one that is killed leaves at most one broken line."""
    async for after, events in SURFACES[surface](url, cursor):
        line = msgspec.json.encode({"cursor": after, "events": events})
        os.write(sys.stdout.fileno(), line + b"\n")


if __name__ == "__main__":
    asyncio.run(print_batches(*sys.argv[1:]))
