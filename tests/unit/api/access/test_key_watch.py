"""The watch over the keys of open connections: it ends those with a revoked key, and only those."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus

import pytest
from starlette.requests import HTTPConnection

from api.access.key_watch import KeyWatch
from api.http.problems import ProblemError

DEADLINE_S = 10.0


class Keys:
    """Keys of which some are revoked, or cannot be checked."""

    def __init__(self) -> None:
        self.faults: dict[str, HTTPStatus] = {}
        self.broken: set[str] = set()
        self.checks: Counter[str] = Counter()

    async def check(self, key: str | None) -> None:
        assert key is not None
        self.checks[key] += 1
        if key in self.broken:
            raise RuntimeError("not foreseen")
        if key in self.faults:
            raise ProblemError(self.faults[key], "no")

    async def checked(self, key: str) -> None:
        """Wait until two more checks of a key have begun."""
        seen = self.checks[key]
        async with asyncio.timeout(DEADLINE_S):
            while self.checks[key] < seen + 2:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)


def connection(key: str | None) -> HTTPConnection:
    headers = [(b"authorization", b"Bearer " + key.encode())] if key is not None else []
    return HTTPConnection({"type": "http", "headers": headers})


async def test_every_connection_of_a_revoked_key_ends_once_and_no_other() -> None:
    keys, ended = Keys(), Counter[str]()
    watch = KeyWatch(keys.check, period_s=0)
    with ExitStack() as stack:
        for name, key in (("a1", "a"), ("a2", "a"), ("b", "b"), ("c", "c"), ("none", None)):
            end = lambda name=name: ended.update([name])  # noqa: E731
            stack.enter_context(watch.watch(connection(key), end))
        await keys.checked("a")
        assert keys.checks["a"] - keys.checks["b"] in (0, 1)  # Once for both of its connections.
        keys.faults = {"a": HTTPStatus.UNAUTHORIZED, "b": HTTPStatus.SERVICE_UNAVAILABLE}
        await keys.checked("c")
        await keys.checked("b")
        assert ended == {"a1": 1, "a2": 1}
    assert not [
        task for task in asyncio.all_tasks() if "API keys" in task.get_name() and not task.cancelling()
    ]


async def test_a_key_is_checked_as_long_as_one_of_its_connections_is_open() -> None:
    keys, ended = Keys(), Counter[str]()
    watch = KeyWatch(keys.check, period_s=0)
    with watch.watch(connection("a"), lambda: ended.update(["first"])):
        with watch.watch(connection("a"), lambda: ended.update(["second"])):
            await keys.checked("a")
        await keys.checked("a")
        keys.faults = {"a": HTTPStatus.UNAUTHORIZED}
        async with asyncio.timeout(DEADLINE_S):
            while not ended:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
    assert ended == {"first": 1}


async def test_a_check_that_fails_ends_neither_its_connection_nor_the_checks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys, ended = Keys(), list[str]()
    watch = KeyWatch(keys.check, period_s=0)
    with ExitStack() as stack:
        for key in ("a", "b"):
            stack.enter_context(watch.watch(connection(key), partial(ended.append, key)))
        keys.broken = {"a"}
        await keys.checked("a")
        keys.faults = {"b": HTTPStatus.UNAUTHORIZED}
        await keys.checked("a")
    assert ended == ["b"]
    assert "a key cannot be checked" in caplog.text
