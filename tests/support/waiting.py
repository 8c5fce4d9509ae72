"""Waiting for a condition with a deadline.

The failure shows what a test expected, or what is there instead: a text, or a function that returns it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeAlias

WAIT_S = 60.0
_POLL_S = 0.05

Description: TypeAlias = str | Callable[[], object]


def wait_until(condition: Callable[[], bool], describe: Description, timeout_s: float = WAIT_S) -> None:
    """Return when the condition holds; at the deadline fail with the description.

    For tests that are not asynchronous; the condition may block.
    """
    expired = threading.Event()
    timer = threading.Timer(timeout_s, expired.set)
    timer.start()
    try:
        while not condition():
            assert not expired.wait(_POLL_S), _failure(describe, timeout_s)
    finally:
        timer.cancel()


async def until(condition: Callable[[], bool], describe: Description, timeout_s: float = WAIT_S) -> None:
    """Return when the condition holds; at the deadline fail with the description.

    The condition is evaluated in the event loop, so it must not block.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - the condition has no event
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(_failure(describe, timeout_s)) from None


def _failure(describe: Description, timeout_s: float) -> object:
    return f"not within {timeout_s:.0f} s: {describe}" if isinstance(describe, str) else describe()
