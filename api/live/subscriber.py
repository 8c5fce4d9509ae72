"""One subscriber of the live stream: a queue of events, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from api.entities.selection import EntityFilter
from api.live.models import GapReason


class Subscriber:
    """A queue between the hub, which never waits, and a connection, which may.

    When the queue would exceed its bound it is emptied and the subscriber is `lost`: its stream sends a gap
    event and joins the hub again. A lost subscriber costs the hub nothing.
    """

    def __init__(self, filter: EntityFilter, queue_bytes_max: int, heartbeat_s: float | None = None) -> None:
        self.filter = filter
        self.heartbeat_s = heartbeat_s  #: between two heartbeats; None: it gets none
        self.heartbeat_due_s = 0.0  #: when the next one is due, on a monotonic clock
        self.lost: GapReason | None = None
        self.closed = False
        self.queue_bytes_max = queue_bytes_max  #: before it is lost; takes effect with the next event
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._on_sent: Callable[[], None] | None = None

    def call_when_sent(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the connection has the queued events; it replaces an earlier callback."""
        self._on_sent = callback

    def on_chunk_sent(self) -> None:
        """Note that the connection has the chunk that `next_chunk` returned."""
        if self._on_sent is not None:
            callback, self._on_sent = self._on_sent, None
            callback()

    def offer(self, chunk: bytes) -> bool:
        """Queue events; return False when the queue was full and the subscriber is lost."""
        # A single chunk may exceed the bound: it is one record of the log, shared with other subscribers.
        if self._queue and self._bytes + len(chunk) > self.queue_bytes_max:
            self.lose(GapReason.TOO_SLOW)
            return False
        self._queue.append(chunk)
        self._bytes += len(chunk)
        self._changed.set()
        return True

    def lose(self, reason: GapReason) -> None:
        """Drop the queued events: the subscriber needs a new snapshot."""
        self._queue.clear()
        self._bytes = 0
        self.lost = reason
        self._changed.set()

    def close(self) -> None:
        """End the stream: the server stops, or the key is not valid any more."""
        self.closed = True
        self._changed.set()

    def reset(self) -> None:
        """Start again with an empty queue."""
        self._queue.clear()
        self._bytes = 0
        self.lost = None
        self._changed.clear()
        if self.closed:
            self._changed.set()

    def wake(self) -> None:
        """Note that the log has changes, which this subscriber reads itself."""
        self._changed.set()

    async def wait(self, timeout_s: float) -> None:
        """Return after the next `wake` or `close`, or after a time; one since the last call counts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()
        if self.closed:
            self._changed.set()

    async def next_chunk(self, timeout_s: float) -> bytes | None:
        """Return the queued events as one chunk; None after `timeout_s` without events, or at the end."""
        if not self._queue and self.lost is None and not self.closed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                return None
        self._changed.clear()
        if self.lost is not None or self.closed or not self._queue:
            return None
        chunk = b"".join(self._queue)
        self._queue.clear()
        self._bytes = 0
        return chunk
