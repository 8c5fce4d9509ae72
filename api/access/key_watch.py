"""Ends what stays open for long once its API key, or token, is not valid any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.requests import HTTPConnection

from api.access.authentication import credential_of
from api.http.problems import ProblemError

log = logging.getLogger(__name__)

CHECK_S = 0.5
"""With the time for which a valid key is cached (`api.access.api_keys.CACHE_S`), and a lookup: within 2 s."""

CHECKS_AT_ONCE = 16
"""Of different keys; there are few database connections."""

Check = Callable[[str | None], Awaitable[object]]
"""Raises the problem 401 when a credential is not valid, 503 when it cannot be checked."""


class KeyWatch:
    """Checks the keys of open connections, each key once however many connections have it.

    A key that cannot be checked stays valid: live state works without the database.
    """

    def __init__(self, check: Check, *, period_s: float = CHECK_S) -> None:
        self._check = check
        self._period_s = period_s
        self._watched: dict[str, dict[object, Callable[[], None]]] = {}  # the ends of connections, by key
        self._checking: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, connection: HTTPConnection, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` once, if the key of a connection is revoked during the block. It must not wait."""
        key = credential_of(connection.headers)
        if key is None:
            yield
            return
        mark = object()
        self._watched.setdefault(key, {})[mark] = end
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_all(), name="checks of API keys")
        try:
            yield
        finally:
            self._remove(key, mark)
            if not self._watched and self._checking is not None:
                self._checking.cancel()
                self._checking = None

    def _remove(self, key: str, mark: object) -> None:
        connections = self._watched.get(key, {})
        connections.pop(mark, None)
        if not connections:
            self._watched.pop(key, None)

    async def _check_all(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            keys = list(self._watched)
            for first in range(0, len(keys), CHECKS_AT_ONCE):
                await asyncio.gather(*map(self._check_key, keys[first : first + CHECKS_AT_ONCE]))

    async def _check_key(self, key: str) -> None:
        connections = self._watched.get(key)
        if not connections:
            return
        try:
            await self._check(key)
        except ProblemError as problem:
            if problem.status is HTTPStatus.UNAUTHORIZED:
                for mark, end in list(connections.items()):
                    self._remove(key, mark)
                    end()
        except Exception:
            # One check that fails must not end those of all other keys.
            log.exception("a key cannot be checked", extra={"event": "api.key_check_failed"})
