"""The client of one city's LiveTwin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from random import Random, SystemRandom
from types import TracebackType
from typing import Any, Self, Unpack, cast
from urllib.parse import quote

import httpx

from livetwin_client.api_types import (
    Alarm,
    AlarmsQuery,
    EntitiesQuery,
    Entity,
    History,
    HistoryQuery,
    LiveEvent,
    LiveQuery,
    State,
)
from livetwin_client.cursor_stores import CursorStore, MemoryCursorStore
from livetwin_client.errors import UnexpectedAnswerError
from livetwin_client.http_requests import ApiKey, HttpRequests, QueryValue
from livetwin_client.live_stream import SILENCE_S_MAX, LiveStream
from livetwin_client.retries import Retries


class LiveTwin:
    """Reads one LiveTwin over HTTP; an asynchronous context manager, which closes its connections.

    Parameters of queries have the names of the API: `twin.entities(type="Neighbourhood", limit=500)`.
    `transport`, `sleep` and `random` replace the network, the waiting and the random part of delays.
    """

    def __init__(
        self,
        base_url: str,
        api_key: ApiKey = None,
        *,
        retries: Retries | None = None,
        silence_s_max: float = SILENCE_S_MAX,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self._silence_s_max = silence_s_max
        self._requests = HttpRequests(
            base_url,
            api_key,
            retries=retries or Retries(),
            transport=transport,
            sleep=sleep,
            random=random or SystemRandom(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._requests.close()

    def live(
        self, *, cursors: CursorStore | None = None, **query: Unpack[LiveQuery]
    ) -> AsyncGenerator[LiveEvent, None]:
        """Yield the events of the live stream without end, over broken connections and restarts.

        It begins after the cursor of the store, else with a snapshot. After a `gap` another snapshot follows:
        what is known from before may be wrong. Raises RefusedError and UnexpectedAnswerError.
        """
        store = cursors if cursors is not None else MemoryCursorStore()
        return LiveStream(self._requests, _values(query), store, self._silence_s_max).events()

    def entities(self, **query: Unpack[EntitiesQuery]) -> AsyncGenerator[Entity, None]:
        """Yield entities, over all pages; `limit` is the size of a page."""
        return cast(AsyncGenerator[Entity, None], self.items("/v1/entities", **_values(query)))

    def alarms(self, **query: Unpack[AlarmsQuery]) -> AsyncGenerator[Alarm, None]:
        """Yield alarms, over all pages."""
        return cast(AsyncGenerator[Alarm, None], self.items("/v1/alarms", **_values(query)))

    def history(self, entity_id: str, **query: Unpack[HistoryQuery]) -> AsyncGenerator[History, None]:
        """Yield the pages of the history of a value: `buckets` with an `interval`, else `observations`."""
        pages = self.pages(f"/v1/entities/{_segment(entity_id)}/history", **_values(query))
        return cast(AsyncGenerator[History, None], pages)

    async def state(self, entity_id: str) -> State:
        """Return the present state of an entity."""
        return cast(State, await self.get(f"/v1/entities/{_segment(entity_id)}/state"))

    async def items(self, path: str, **query: QueryValue) -> AsyncGenerator[Any, None]:
        """Yield the items of any collection, over all pages."""
        async with aclosing(self.pages(path, **query)) as pages:
            async for page in pages:
                for item in page["items"]:
                    yield item

    async def pages(self, path: str, **query: QueryValue) -> AsyncGenerator[Any, None]:
        """Yield the pages of anything that has `_links.next`."""
        page = await self.get(path, **query)
        while True:
            yield page
            link = page["_links"].get("next")
            if link is None:
                return
            following: str = link["href"]
            if following == page["_links"]["self"]["href"]:
                raise UnexpectedAnswerError(f"{path}: the next page is the same one: {following}")
            if not following.startswith("/"):
                # The key must not go to another server.
                raise UnexpectedAnswerError(f"{path}: found the next page {following}, expected a path")
            page = await self.get(following)

    async def get(self, path: str, **query: QueryValue) -> Any:
        """Return the JSON at a path, which begins with `/v1/`; for what has no method of its own.

        Raises RefusedError, UnavailableError and UnexpectedAnswerError.
        """
        return await self._requests.get_json(path, query)


def _values(query: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], query)


def _segment(text: str) -> str:
    return quote(text, safe="")
