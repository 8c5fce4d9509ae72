"""Streams of every kind end with the credential that opened them: an expired token, a revoked key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from api.access.access_tokens import LEEWAY_S
from runtime.clock import system_clock
from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from storage.stores.tokens import create_token, revoke_token
from tests.support.cities.city_builder import plan_of
from tests.support.http.token_issuer import AUDIENCE, TokenIssuer
from tests.support.receivers.live_socket_reader import LiveSocketReader, live_socket, refusal
from tests.support.receivers.live_stream_reader import LiveStreamReader
from twin.instant import SECOND, Instant

DEADLINE_S = 20.0
KEY_REVOKED = 3000

# Of the Durable Stream; longer than the test waits, so that only the credential ends its answers.
LONG = {"stream_long_poll_s": 300, "stream_connection_s": 3_600}
DURABLE = "/v1/streams/live"


class MovedClock:
    """The clock of the system, moved ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0

    def __call__(self) -> Instant:
        return system_clock() + self.ahead_s * SECOND


class OpenedStreams:
    """One stream of each kind, all of them with the same credential."""

    def __init__(
        self,
        events: LiveStreamReader,
        socket: LiveSocketReader,
        durable: httpx.Response,
        long_poll: asyncio.Task[httpx.Response],
    ) -> None:
        self.events = events
        self.socket = socket
        self.durable = durable
        self.long_poll = long_poll

    async def ended(self) -> None:
        """Return when each has ended."""
        async with asyncio.timeout(DEADLINE_S):
            assert await self.events.ended()
            assert await self.socket.closed() == KEY_REVOKED
            await self.durable.aread()
            # It has no messages: it did not end because of one.
            assert (await self.long_poll).status_code == 204

    async def continue_with(self, log: Any) -> None:
        """Return when each has an event that was written now."""
        await log.write_updates("city.1")
        assert (await self.events.next())[0]
        assert (await self.socket.event())[0]
        async with asyncio.timeout(DEADLINE_S):
            assert len((await self.long_poll).json()) == 1
            async for line in self.durable.aiter_lines():
                if line == "event: data":
                    return
        raise AssertionError("the Durable Stream ended")


@asynccontextmanager
async def opened_streams(api: Any, credential: str) -> AsyncIterator[OpenedStreams]:
    """Open a stream of each kind; those that send a snapshot have sent it."""
    headers = {"Authorization": f"Bearer {credential}"}
    gauge = api.context.metrics.subscribers._value
    before = gauge.get()
    async with AsyncExitStack() as stack:
        stream = api.client.stream("GET", "/v1/live", headers=headers)
        events = LiveStreamReader(await stack.enter_async_context(stream))
        await events.snapshot()
        base = str(api.client.base_url).rstrip("/")
        socket = await stack.enter_async_context(live_socket(base, headers=headers))
        await socket.subscribe()
        await socket.snapshot()
        query = {"offset": "now", "live": "sse"}
        durable = await stack.enter_async_context(
            api.client.stream("GET", DURABLE, params=query, headers=headers)
        )
        assert durable.status_code == 200
        query = {"offset": "now", "live": "long-poll"}
        long_poll = asyncio.create_task(api.client.get(DURABLE, params=query, headers=headers))
        stack.callback(long_poll.cancel)
        async with asyncio.timeout(DEADLINE_S):
            while gauge.get() < before + 4:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        yield OpenedStreams(events, socket, durable, long_poll)


async def test_streams_end_when_their_access_token_expires(start_api: Any, kafka: str, log: Any) -> None:
    clock = MovedClock()
    async with TokenIssuer().serve() as issuer:
        settings = {
            "id": "sso",
            "issuer": issuer.url,
            "audience": AUDIENCE,
            "roles": {"twin-operator": "operator"},
        }
        # Tokens of 15 minutes and of an hour.
        brief = issuer.token(issuer.claims(clock()))
        long = issuer.token(issuer.claims(clock(), exp=clock() // SECOND + 3_600))
        async with (
            start_api(kafka, clock=clock, oidc=[settings], **LONG) as api,
            opened_streams(api, brief) as ending,
            opened_streams(api, long) as kept,
        ):
            clock.ahead_s = 900 + LEEWAY_S
            await ending.ended()
            assert await refused(api, brief) == [401] * 3
            await kept.continue_with(log)


async def test_streams_end_when_their_key_is_revoked(
    start_api: Any, kafka: str, log: Any, database: str, model: Any
) -> None:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(model))
        city = await load_model(connection, "city")
        keys = {name: await create_token(connection, name, "viewer") for name in ("kept", "revoked")}
    async with (
        start_api(kafka, model=city, database=database, **LONG) as api,
        opened_streams(api, keys["revoked"]) as ending,
        opened_streams(api, keys["kept"]) as kept,
    ):
        async with await connect(database, role="test") as connection:
            await revoke_token(connection, "revoked")
        await ending.ended()
        assert await refused(api, keys["revoked"]) == [401] * 3
        await kept.continue_with(log)


async def refused(api: Any, credential: str) -> list[int]:
    """Return the statuses of a stream of each kind that is opened anew."""
    headers = {"Authorization": f"Bearer {credential}"}
    answers = [await api.client.get(path, headers=headers) for path in ("/v1/live", DURABLE)]
    socket, _ = await refusal(str(api.client.base_url).rstrip("/"), headers=headers)
    return [*(answer.status_code for answer in answers), socket]
