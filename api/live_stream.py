"""The live stream of one subscriber: snapshot or missed events, then changes, and a gap where one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from http import HTTPStatus
from typing import TypeAlias

from api.cursor import Cursor, Position, encode_cursor
from api.events import (
    EMPTY_SNAPSHOT,
    KEEPALIVE,
    EventName,
    GapReason,
    frame,
    gap_data,
    state_data,
)
from api.hub import Hub, Missed, Snapshot
from api.log_replay import LogReplay, ReplayError
from api.metrics import ApiMetrics
from api.problems import ProblemError
from api.selection import Filter, resolve
from api.subscriber import Subscriber
from runtime.clock import Clock
from twin.freshness import freshness
from twin.messages import Update, UpdateKind

KEEPALIVE_S = 15.0

# Encoding 200 events takes about a millisecond: others are not kept waiting longer than that.
CHUNK_EVENTS = 200

# A process that has just started may be behind a cursor that another gave; it catches up in less.
CATCH_UP_S = 5.0
_PAUSE_S = 0.05
_SEEDING_POLL_S = 0.5

_Seen: TypeAlias = dict[tuple[str, str], int]
"""By entity and property or indicator, the last revision that was told."""


class LiveStreams:
    """All live streams of this process: bounds their number and ends them together."""

    def __init__(
        self,
        hub: Hub,
        replay: LogReplay,
        clock: Clock,
        metrics: ApiMetrics,
        *,
        subscribers_max: int,
        queue_bytes_max: int,
    ) -> None:
        self.hub = hub
        self.replay = replay
        self.clock = clock
        self.metrics = metrics
        self._subscribers_max = subscribers_max
        self._queue_bytes_max = queue_bytes_max
        self._subscribers: set[Subscriber] = set()
        self._closed = False

    def close(self) -> None:
        """End every stream, and accept no new one."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.close()

    @contextmanager
    def seat(self, wanted: Filter) -> Iterator[Subscriber]:
        """Hold a place among the subscribers; raise a problem when there is none."""
        if self._closed or len(self._subscribers) >= self._subscribers_max:
            self.metrics.refused.inc()
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"There are {len(self._subscribers)} live subscribers, at most {self._subscribers_max} "
                "are served; try again later.",
                headers={"Retry-After": "10"},
            )
        subscriber = Subscriber(wanted, self._queue_bytes_max)
        self._subscribers.add(subscriber)
        self.metrics.subscribers.set(len(self._subscribers))
        try:
            yield subscriber
        finally:
            self.hub.leave(subscriber)
            self._subscribers.discard(subscriber)
            self.metrics.subscribers.set(len(self._subscribers))

    async def frames(
        self, subscriber: Subscriber, events: frozenset[EventName], cursor: Cursor | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the Server-Sent Events of one subscriber, until the server stops.

        A gap is told whatever `events` asks for: without it nobody could trust the rest.
        """
        while not (self.hub.seeded.is_set() or subscriber.closed):
            # An empty snapshot would be a lie; a refusal would make a browser give up.
            with suppress(TimeoutError):
                await asyncio.wait_for(self.hub.seeded.wait(), _SEEDING_POLL_S)
        stream = _Stream(self, subscriber, events)
        if cursor is not None and cursor.partial:
            cursor = None
        while not subscriber.closed:
            async with aclosing(stream.run(cursor)) as chunks:
                async for chunk in chunks:
                    yield chunk
            cursor = None


class _Stream:
    """One subscriber's way through join, missed events and changes."""

    def __init__(self, streams: LiveStreams, subscriber: Subscriber, events: frozenset[EventName]) -> None:
        self._streams = streams
        self._hub = streams.hub
        self._subscriber = subscriber
        self._events = events

    async def run(self, cursor: Cursor | None) -> AsyncGenerator[bytes, None]:
        """Yield events until the subscriber is lost, which the last event then tells, or closed."""
        subscriber = self._subscriber
        try:
            begin = self._snapshot(self._hub.join(subscriber)) if cursor is None else self._resume(cursor)
            async with aclosing(begin):
                async for chunk in begin:
                    if subscriber.lost is not None or subscriber.closed:
                        break
                    yield chunk
            while subscriber.lost is None and not subscriber.closed:
                waiting = await subscriber.next(KEEPALIVE_S)
                if waiting is None:
                    if subscriber.lost is None and not subscriber.closed:
                        yield KEEPALIVE
                elif "state" in self._events:
                    yield waiting
            lost = subscriber.lost
        except ReplayError as error:
            lost = error.reason
        if lost is not None and not subscriber.closed:
            self._streams.metrics.gaps.labels(lost.value).inc()
            yield frame("gap", encode_cursor(self._hub.cursor(partial=True)), gap_data(lost))

    async def _snapshot(self, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        if "snapshot" not in self._events:
            return
        place = snapshot.cursor
        end = encode_cursor(place)
        partial = encode_cursor(Cursor(place.log, place.positions, place.aged, partial=True))
        if not snapshot.values:
            yield frame("snapshot", end, EMPTY_SNAPSHOT)
            return
        last = len(snapshot.values) - 1
        self._streams.metrics.events.labels("snapshot").inc(last + 1)
        for first in range(0, last + 1, CHUNK_EVENTS):
            frames = []
            for number, (update, fresh) in enumerate(snapshot.values[first : first + CHUNK_EVENTS], first):
                data = state_data(update, fresh, self._hub.model, last=number == last)
                if data is not None:
                    frames.append(frame("snapshot", end if number == last else partial, data))
                elif number == last:
                    frames.append(frame("snapshot", end, EMPTY_SNAPSHOT))
            yield b"".join(frames)
            await asyncio.sleep(0)

    async def _resume(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Yield what was missed since a cursor, from ring or log; raise ReplayError where a gap is."""
        await self._catch_up(cursor)
        seen: _Seen = {}
        source = "ring"
        while True:
            if cursor.log != self._hub.log:
                raise ReplayError(GapReason.LOG_CHANGED)
            missed = self._hub.resume(self._subscriber, cursor)
            if missed is not None:
                break
            # The subscriber is not told the changes yet: however long this takes, nothing piles up for it.
            source = "log"
            target = Cursor(cursor.log, tuple(self._hub.positions), cursor.aged)
            async with aclosing(self._replayed(cursor, target, seen)) as chunks:
                async for chunk in chunks:
                    yield chunk
            cursor = target
        self._streams.metrics.resumes.labels(source).inc()
        async for chunk in self._missed(missed, cursor, seen):
            yield chunk

    async def _catch_up(self, cursor: Cursor) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CATCH_UP_S
        while True:
            if cursor.log == self._hub.log:
                if len(cursor.positions) != len(self._hub.positions):
                    raise ReplayError(GapReason.LOG_CHANGED)
                if self._hub.reached(cursor):
                    return
            if self._subscriber.closed:
                return
            if loop.time() > deadline or (self._hub.log and cursor.log != self._hub.log):
                break
            await asyncio.sleep(_PAUSE_S)
        ahead = cursor.log == self._hub.log
        raise ReplayError(GapReason.CURSOR_AHEAD if ahead else GapReason.LOG_CHANGED)

    async def _replayed(self, start: Cursor, target: Cursor, seen: _Seen) -> AsyncGenerator[bytes, None]:
        """Yield what the log tells between two cursors; `seen` keeps the revision of each value."""
        positions = list(start.positions)
        selection = resolve(self._subscriber.wanted, self._hub.model)
        async with aclosing(self._streams.replay.records(start.positions, target.positions)) as records:
            async for partition, offset, batch in records:
                frames = []
                for index, update in enumerate(batch.updates):
                    if update.kind == UpdateKind.PERSONAL:
                        continue
                    value = update.entity, update.property
                    known = seen.get(value, 0)
                    seen[value] = max(known, update.revision)
                    if (offset, index) < start.positions[partition] or update.revision <= known:
                        continue
                    positions[partition] = offset, index + 1
                    if selection.holds(update.entity, update.property):
                        frames.append(self._event(update, start, positions))
                if frames and "state" in self._events:
                    yield b"".join(frames)

    async def _missed(self, missed: Missed, start: Cursor, seen: _Seen) -> AsyncIterator[bytes]:
        if "state" not in self._events:
            return
        positions = list(start.positions)
        frames = []
        for number, entry in enumerate(missed.entries):
            positions[entry.partition] = entry.offset, entry.number + 1
            update = entry.update
            if update.revision > seen.get((update.entity, update.property), 0):
                frames.append(self._event(update, start, positions))
            if number % CHUNK_EVENTS == CHUNK_EVENTS - 1:
                yield b"".join(frames)
                frames.clear()
                await asyncio.sleep(0)
        place = encode_cursor(missed.cursor)
        for update, fresh in missed.aged:
            data = state_data(update, fresh, self._hub.model)
            if data is not None:
                frames.append(frame("state", place, data))
        yield b"".join(frames)

    def _event(self, update: Update, start: Cursor, positions: Sequence[Position]) -> bytes:
        """Return the event of an update that was missed, as fresh as it is now; nothing if unknown by now."""
        interval = self._hub.view.interval_of(update)
        if interval is None:
            return b""
        fresh = freshness(update.phenomenon_time, interval, self._streams.clock())
        place = encode_cursor(Cursor(start.log, tuple(positions), start.aged))
        data = state_data(update, fresh, self._hub.model)
        return frame("state", place, data) if data is not None else b""
