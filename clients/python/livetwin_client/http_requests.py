"""Requests to one LiveTwin: the key, what an answer means, and attempts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from random import Random
from typing import Any, TypeAlias, cast

import httpx

from livetwin_client.api_types import Problem
from livetwin_client.errors import UnavailableError, UnexpectedAnswerError, refused
from livetwin_client.retries import RETRIED_STATUS, Backoff, Retries, retry_after_s

QueryValue: TypeAlias = str | float | bool | datetime | Sequence[str] | None
"""Of a parameter; None leaves it out."""

ApiKey: TypeAlias = str | Callable[[], Awaitable[str]] | None
"""An API key or access token, or what returns the present one for each request."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_TEXT_MAX = 500
_log = logging.getLogger("livetwin_client")


class AttemptFailedError(Exception):
    """An attempt failed in a way that may pass; `asked_s` is the delay that the server asks for."""

    def __init__(self, reason: str, asked_s: float | None = None) -> None:
        super().__init__(reason)
        self.asked_s = asked_s


class HttpRequests:
    """Makes requests to the API at one address."""

    def __init__(
        self,
        base_url: str,
        api_key: ApiKey,
        *,
        retries: Retries,
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
        random: Random,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(
                f"found the address {base_url!r}, expected one that begins with http:// or https://"
            )
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._retries = retries
        self._random = random
        self._sleep = sleep
        # No redirects: the key must not go to another server.
        self._client = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, follow_redirects=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def backoff(self) -> Backoff:
        """Return the delays of a new request or stream."""
        return Backoff(self._retries, self._random)

    async def wait(self, backoff: Backoff, failed: AttemptFailedError) -> None:
        """Wait for the next attempt."""
        delay_s = backoff.next_delay_s(failed.asked_s)
        # Without the name and password that an address may have.
        server = httpx.URL(self._base_url).netloc.decode()
        _log.warning("%s: %s; trying again in %.1f s", server, failed, delay_s)
        await self._sleep(delay_s)

    async def get_json(self, path: str, query: Mapping[str, QueryValue] | None = None) -> Any:
        """Return the JSON of an answer; raise RefusedError, UnavailableError or UnexpectedAnswerError."""
        backoff = self.backoff()
        for attempt in count(1):
            try:
                async with self.open(path, query, accept="application/json") as response:
                    await response.aread()
                    return _json(response, path)
            except AttemptFailedError as failed:
                if attempt >= self._retries.attempts_max:
                    raise UnavailableError(f"{path}: {failed}, in each of {attempt} attempts") from failed
                await self.wait(backoff, failed)
        raise AssertionError("unreachable: counting has no end")

    @asynccontextmanager
    async def open(
        self,
        path: str,
        query: Mapping[str, QueryValue] | None = None,
        *,
        accept: str,
        headers: Mapping[str, str] | None = None,
        silence_s_max: float | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Make one attempt, and open its answer of status 200 for the block.

        Raises RefusedError and UnexpectedAnswerError, and AttemptFailedError for what may pass, also when it
        happens in the block. `silence_s_max` is the longest time without a byte.
        """
        if not path.startswith("/"):
            raise ValueError(f"found the path {path!r}, expected one that begins with /")
        sent = {**await self._authorization(), "Accept": accept, **(headers or {})}
        for name, value in sent.items():
            # Else the attempt would fail as if the connection had, and be made again without end.
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the value of the header {name} has characters that no header may have")
        timeout = (
            _TIMEOUT if silence_s_max is None else httpx.Timeout(silence_s_max, connect=_TIMEOUT.connect)
        )
        try:
            async with self._client.stream(
                "GET", self._base_url + path, params=_params(query), headers=sent, timeout=timeout
            ) as response:
                await _check(response, path)
                yield response
        except httpx.RequestError as error:
            raise AttemptFailedError(f"{type(error).__name__} {error}".rstrip()) from error

    async def _authorization(self) -> dict[str, str]:
        if self._api_key is None:
            return {}
        key = self._api_key if isinstance(self._api_key, str) else await self._api_key()
        return {"Authorization": f"Bearer {key}"}


def _params(query: Mapping[str, QueryValue] | None) -> dict[str, Any] | None:
    # An empty mapping would remove the query of a path that has one.
    return {name: _text(value) for name, value in (query or {}).items() if value is not None} or None


def _text(value: QueryValue) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"found the time {value} without a time zone, expected an aware one")
        return value.isoformat()
    return value


async def _check(response: httpx.Response, path: str) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in RETRIED_STATUS:
        raise AttemptFailedError(f"answer {status}", retry_after_s(response.headers))
    if status < 400:
        raise UnexpectedAnswerError(f"{path}: found the status {status}, expected 200")
    await response.aread()
    raise refused(_problem(response, path))


def _problem(response: httpx.Response, path: str) -> Problem:
    """Return the problem of an answer; of a proxy's answer, which has none, its first lines."""
    try:
        found = response.json()
        if {"status", "detail"} <= found.keys():
            return cast(Problem, {"title": response.reason_phrase, "instance": path, **found})
    except (ValueError, AttributeError, RecursionError):
        pass
    return {
        "title": response.reason_phrase,
        "status": response.status_code,
        "detail": response.text[:_TEXT_MAX],
        "instance": path,
    }


def _json(response: httpx.Response, path: str) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        found = response.text[:_TEXT_MAX]
        raise UnexpectedAnswerError(f"{path}: found {found!r}, expected JSON") from error
