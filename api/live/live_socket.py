"""The WebSocket of live events: one connection with several subscriptions, each a subscriber of the hub."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.context import ApiContext
from api.entities.known_names import know_names
from api.http.limits.rate_limiter import RateLimiter
from api.http.limits.request_limits import rate_problem
from api.http.limits.request_weight import HEAVY_TOKENS
from api.http.problems import ProblemError, not_found, problem_model
from api.http.websocket_keys import PROTOCOL
from api.live.cursor import decode_cursor
from api.live.event_stream import OpenStream, WantedEvents
from api.live.events import KEEPALIVE
from api.live.messages import (
    KeepaliveMessage,
    ProblemMessage,
    Subscribe,
    SubscribedMessage,
    UnsubscribedMessage,
    encode_message,
    event_messages,
    read_message,
    read_object,
    subscription_in,
)

log = logging.getLogger(__name__)

SUBSCRIPTIONS_MAX = 16
"""Of one connection. Each counts as a live subscriber."""

CLOSE_S = 1.0
"""A reader that has not read gets no closing message after this."""


class _End(NamedTuple):
    code: int
    reason: str


_SERVER_STOPS = _End(1012, "The server stops; connect again and resume")
_NOT_TEXT = _End(1003, "Messages are JSON texts")
_FAILURE = _End(1011, "The server failed; its log has the cause")
_KEY_ENDED = _End(3000, "The API key or token is not valid any more")


class LiveSocket:
    """One connection, from its acceptance to its end."""

    def __init__(self, websocket: WebSocket, context: ApiContext) -> None:
        self._websocket = websocket
        self._streams = context.event_streams
        self._histories = context.histories
        self._key_watch = context.key_watch
        self._client = str(websocket.state.client)
        # None: no limit of rate is set.
        self._rate_limiter: RateLimiter | None = getattr(websocket.state, "rate_limiter", None)
        self._following: dict[str, asyncio.Task[None]] = {}
        # Of those that wait for a slow reader only one has a message in the connection.
        self._sending = asyncio.Lock()
        self._end: asyncio.Future[_End] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve the connection until its client leaves, its key is revoked, or the server stops."""
        offered = self._websocket.scope["subprotocols"]
        await self._websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        with self._key_watch.watch(self._websocket, partial(self._end_with, _KEY_ENDED)):
            reading = asyncio.create_task(self._read())
            first: tuple[asyncio.Future[Any], ...] = reading, self._end
            try:
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            finally:
                tasks = [reading, *self._following.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if self._end.done():
            end = self._end.result()
            with suppress(WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._websocket.close(end.code, end.reason)

    def _end_with(self, end: _End) -> None:
        if not self._end.done():
            self._end.set_result(end)

    async def _read(self) -> None:
        """Read the messages of the client; a message is read when the one before it is answered."""
        try:
            while True:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if message.get("text") is None:
                    self._end_with(_NOT_TEXT)
                    return
                await self._on_text(message["text"])
        except WebSocketDisconnect:
            return
        except Exception:
            log.exception("a live socket failed", extra={"event": "api.socket_failed"})
            self._end_with(_FAILURE)

    async def _on_text(self, text: str) -> None:
        subscription: str | UnsetType = UNSET
        try:
            if self._rate_limiter is not None:
                now_s = asyncio.get_running_loop().time()
                decision = self._rate_limiter.take(self._client, now_s, HEAVY_TOKENS)
                if not decision.granted:
                    await self._send_problem(rate_problem(decision, self._rate_limiter), subscription)
                    # Reads no further meanwhile: the client waits, however fast it sends.
                    await asyncio.sleep(decision.wait_s)
                    return
            item = read_object(text)
            subscription = subscription_in(item)
            await know_names(self._websocket)
            message = read_message(item)
            if isinstance(message, Subscribe):
                await self._subscribe(message)
            else:
                await self._unsubscribe(message.subscription)
        except ProblemError as problem:
            await self._send_problem(problem, subscription)

    async def _send_problem(self, problem: ProblemError, subscription: str | UnsetType) -> None:
        retry_after = problem.headers.get("Retry-After")
        message = ProblemMessage(
            subscription=subscription,
            problem=problem_model(problem, self._websocket.url.path),
            retry_after=int(retry_after) if retry_after is not None else UNSET,
        )
        await self._send(encode_message(message))

    async def _subscribe(self, message: Subscribe) -> None:
        name = message.subscription
        if name not in self._following and len(self._following) >= SUBSCRIPTIONS_MAX:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"This connection has {SUBSCRIPTIONS_MAX} subscriptions, the limit; end one, or combine "
                "them: a filter accepts many names.",
            )
        cursor = decode_cursor(message.cursor) if message.cursor is not None else None
        filter = message.filter.filter()
        first = message.first_place(self._histories.clock(), "body") if cursor is None else cursor.history
        history = await self._histories.open(filter, first, "body") if first is not None else None
        wanted = WantedEvents(
            filter,
            message.filter.event_names(),
            cursor,
            message.reduction(),
            history,
            message.heartbeat_s(),
        )
        await self._stop(name)
        opened = ExitStack()
        stream = opened.enter_context(self._streams.open_stream(wanted, self._client))
        following = asyncio.create_task(self._follow(name, stream))
        self._following[name] = following
        following.add_done_callback(partial(self._on_followed, name, opened))

    def _on_followed(self, name: str, opened: ExitStack, following: asyncio.Task[None]) -> None:
        opened.close()
        if self._following.get(name) is following:
            del self._following[name]
        if following.cancelled():
            return
        error = following.exception()
        if error is None:
            self._end_with(_SERVER_STOPS)
        elif not isinstance(error, WebSocketDisconnect):
            log.error("a live socket failed", exc_info=error, extra={"event": "api.socket_failed"})
            self._end_with(_FAILURE)

    async def _follow(self, name: str, stream: OpenStream) -> None:
        """Send the events of a subscription, until it or the server stops."""
        keepalive = encode_message(KeepaliveMessage(subscription=name))
        await self._send(encode_message(SubscribedMessage(subscription=name)))
        async with aclosing(stream.frames()) as frames:
            async for chunk in frames:
                if chunk == KEEPALIVE:
                    await self._send(keepalive)
                else:
                    for text in event_messages(name, chunk):
                        await self._send(text)

    async def _unsubscribe(self, name: str) -> None:
        if name not in self._following:
            raise not_found(f"This connection has no subscription {name!r}.")
        await self._stop(name)
        await self._send(encode_message(UnsubscribedMessage(subscription=name)))

    async def _stop(self, name: str) -> None:
        """End a subscription, if there is one; nothing more is sent for it."""
        following = self._following.pop(name, None)
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _send(self, text: str) -> None:
        async with self._sending:
            await self._websocket.send_text(text)
