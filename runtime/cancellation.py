"""Cancellation that a library turned into another error, or swallowed.

A COPY that is cancelled may end in the server's QueryCanceled, which looks like a database that went away.
aiokafka swallows a cancellation now and then while it connects. Whoever retries then, or goes on with a loop,
would run for ever.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError when the task that asks was cancelled and goes on nevertheless."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
