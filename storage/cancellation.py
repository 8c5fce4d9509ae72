"""Cancellation that a library turned into another error, or swallowed.

A COPY that is cancelled may end in the server's QueryCanceled, which looks like a database that went away;
whoever retries then would run for ever.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError when the task that asks was cancelled and goes on nevertheless."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
