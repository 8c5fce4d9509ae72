"""Detects a cancellation that a library replaced by another error, or swallowed.

A cancelled COPY may end in the server's QueryCanceled, which looks like an unavailable database. aiokafka
sometimes swallows a cancellation while it connects. A retry loop that ignores this would never end.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError when the current task was cancelled but still runs."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
