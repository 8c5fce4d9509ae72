"""Sends an answer that takes long, until it is whole or its client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def send_until_disconnect(sending: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run `sending`, and cancel it when the client disconnects.

    Raises what it raises, but no OSError: the client is gone then.
    """
    task = asyncio.create_task(sending)
    leaving = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        task.cancel()  # No effect on one that has ended.
        result, _ = await asyncio.gather(task, leaving, return_exceptions=True)
    if isinstance(result, Exception) and not isinstance(result, OSError):
        raise result


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
