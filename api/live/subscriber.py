"""One follower of the live stream: what waits to be sent to it, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from api.entities.selection import EntityFilter
from api.live.events import GapReason


class Subscriber:
    """A queue between the hub, which never waits, and a connection, which may.

    When the queue would grow beyond its bound it is emptied and the subscriber is `lost`: it must tell its
    peer so and join the hub anew. A lost subscriber costs the hub nothing.
    """

    def __init__(self, wanted: EntityFilter, queue_bytes_max: int) -> None:
        self.filter = wanted
        self.lost: GapReason | None = None
        self.closed = False
        self._queue_bytes_max = queue_bytes_max
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._on_sent: Callable[[], None] | None = None

    def call_when_sent(self, tell: Callable[[], None]) -> None:
        """Have `tell` called once what waits now is with the connection; it replaces an earlier one."""
        self._on_sent = tell

    def on_chunk_sent(self) -> None:
        """Learn that what `next_chunk` returned is with the connection."""
        if self._on_sent is not None:
            tell, self._on_sent = self._on_sent, None
            tell()

    def offer(self, chunk: bytes) -> bool:
        """Queue events for the peer; return False when that lost the subscriber."""
        # What waits alone may be larger than the bound: it is one record of the log, shared with the others.
        if self._queue and self._bytes + len(chunk) > self._queue_bytes_max:
            self.lose(GapReason.TOO_SLOW)
            return False
        self._queue.append(chunk)
        self._bytes += len(chunk)
        self._something.set()
        return True

    def lose(self, reason: GapReason) -> None:
        """Drop what waits: the peer needs a snapshot."""
        self._queue.clear()
        self._bytes = 0
        self.lost = reason
        self._something.set()

    def close(self) -> None:
        """End the stream: the server stops."""
        self.closed = True
        self._something.set()

    def reset(self) -> None:
        """Begin again, empty."""
        self._queue.clear()
        self._bytes = 0
        self.lost = None
        self._something.clear()
        if self.closed:
            self._something.set()

    async def next_chunk(self, timeout_s: float) -> bytes | None:
        """Return what waits, as one chunk; None after `timeout_s` of silence, or when lost or closed."""
        if not self._queue and self.lost is None and not self.closed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._something.wait()
            except TimeoutError:
                return None
        self._something.clear()
        if self.lost is not None or self.closed or not self._queue:
            return None
        chunk = b"".join(self._queue)
        self._queue.clear()
        self._bytes = 0
        return chunk
