"""The event stream of one subscriber: a snapshot, stored history or the missed changes, then further changes.

Where changes are missing, a gap event says why, and a snapshot follows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

from msgspec import structs

from api.entities.selection import CHANGE_KINDS, EntityFilter, resolve_filter
from api.http.problems import ProblemError, unavailable
from api.live.alarm_events import alarm_data
from api.live.cursor import Cursor, HistoryPlace, SnapshotKey, ageing_positions, encode_cursor
from api.live.events import (
    EMPTY_SNAPSHOT,
    KEEPALIVE,
    EventName,
    encode_event,
    gap_data,
    heartbeats_of,
    state_data,
)
from api.live.history.history_player import (
    HISTORY_SPAN_MAX,
    Histories,
    HistoryPlayer,
    PlayedHistory,
)
from api.live.hub import AgedValue, Hub, LiveSnapshot, MissedChanges, SnapshotValue
from api.live.log_replay import LogReplay, ReplayError
from api.live.models import GapReason
from api.live.reduction import Reducer, Reduction
from api.live.subscriber import Subscriber
from api.metrics import ApiMetrics
from twin.alarms.messages import AlarmEvent
from twin.instant import MINUTE, Duration
from twin.state.freshness import freshness
from twin.wire.messages import UNSENT_KINDS, Update

KEEPALIVE_S = 15.0

# Encoding 200 events takes about a millisecond: other connections wait no longer than that.
CHUNK_EVENTS = 200

REDUCERS_MAX = 200
"""Subscribers for whom the last sent values are kept: with some thousand values each, 200 MB."""

# A process that has just started may be behind a cursor that another process gave; it catches up in less.
CATCH_UP_S = 5.0
RETRY_AFTER_S = 10

MISSED_BEFORE_SNAPSHOT_MAX: Duration = 10 * MINUTE
"""So much of what it missed is played to a subscriber that takes snapshots; after longer it gets one."""

# What was missed is in the database.
_IN_DATABASE = {GapReason.LOG_CHANGED, GapReason.LOG_TRUNCATED}

_PAUSE_S = 0.05
_SEEDING_POLL_S = 0.5

_Seen: TypeAlias = dict[SnapshotKey, int]
"""The last revision that was sent, by entity and property or indicator, or by "" and alarm."""


class WantedEvents(NamedTuple):
    """What a subscriber asks for."""

    filter: EntityFilter
    events: frozenset[EventName]
    cursor: Cursor | None = None
    reduction: Reduction = Reduction()
    history: HistoryPlayer | None = None  #: to be played first; the cursor says nothing then
    heartbeat_s: float | None = None  #: between two heartbeats; None: there are none


class OpenStream(NamedTuple):
    """A subscriber, and its Server-Sent Events."""

    subscriber: Subscriber
    frames: Callable[[], AsyncGenerator[bytes, None]]


class EventStreams:
    """All live streams of this process: bounds their number and ends them together."""

    def __init__(
        self,
        hub: Hub,
        replay: LogReplay,
        metrics: ApiMetrics,
        *,
        subscribers_max: int,
        client_subscribers_max: int | None = None,
        queue_bytes_max: int,
        queues_bytes_max: int | None = None,
        keepalive_s: float = KEEPALIVE_S,
        catch_up_s: float = CATCH_UP_S,
        histories: Histories | None = None,
    ) -> None:
        """Without `histories`, a subscriber whose cursor the log does not have gets a gap."""
        self.hub = hub
        self.replay = replay
        self.metrics = metrics
        self.histories = histories
        self.keepalive_s = keepalive_s
        self.catch_up_s = catch_up_s
        self._subscribers_max = subscribers_max
        self._client_subscribers_max = client_subscribers_max
        self._clients: Counter[str] = Counter()
        self._queue_bytes_max = queue_bytes_max
        self._queues_bytes_max = queues_bytes_max
        self._subscribers: set[Subscriber] = set()
        self._closed = False
        self._reducers = 0

    def close(self) -> None:
        """End every stream, and accept no new one."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.close()

    @contextmanager
    def open_subscriber(
        self, filter: EntityFilter, client: str = "", heartbeat_s: float | None = None
    ) -> Iterator[Subscriber]:
        """Add a subscriber for the block; raise a problem at the limit of all, or of this client.

        Subscribers without a client identity have no limit per client.
        """
        if self._closed or len(self._subscribers) >= self._subscribers_max:
            self.metrics.subscribers_refused.inc()
            raise unavailable(
                f"There are {len(self._subscribers)} live subscribers, the limit is "
                f"{self._subscribers_max}; try again later.",
                RETRY_AFTER_S,
            )
        if client and self._clients[client] >= (self._client_subscribers_max or self._subscribers_max):
            self.metrics.requests_limited.labels("subscribers").inc()
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"This client has {self._clients[client]} live subscribers, the limit per client; close "
                "some, or combine them: a filter accepts many names.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        subscriber = Subscriber(filter, self._queue_bytes_max, heartbeat_s)
        self._clients[client] += 1
        self._subscribers.add(subscriber)
        self._share_queues()
        try:
            yield subscriber
        finally:
            self.hub.leave(subscriber)
            self._subscribers.discard(subscriber)
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
            self._share_queues()

    @contextmanager
    def open_reader(self, client: str) -> Iterator[Subscriber]:
        """Add a subscriber that reads the log itself, for the block; raise a problem as `open_subscriber`."""
        with self.open_subscriber(EntityFilter(), client) as reader:
            self.hub.wake_on_changes(reader)
            yield reader

    def _share_queues(self) -> None:
        count = len(self._subscribers)
        self.metrics.subscribers.set(count)
        if self._queues_bytes_max is not None and count:
            share = min(self._queue_bytes_max, self._queues_bytes_max // count)
            for subscriber in self._subscribers:
                subscriber.queue_bytes_max = share

    @contextmanager
    def open_stream(self, wanted: WantedEvents, client: str) -> Iterator[OpenStream]:
        """Open the stream of a client for the block; raise a problem as `open_subscriber` does."""
        filter, events, cursor, reduction, history, heartbeat_s = wanted
        with (
            self.open_subscriber(filter, client, heartbeat_s) as subscriber,
            self._open_reducer(reduction) as reducer,
            ExitStack() as slot,
        ):
            played = None
            if history is not None:
                slot.callback(history.take_slot(client))
                played = PlayedHistory(history, slot.close)
            yield OpenStream(subscriber, partial(self.frames, subscriber, events, cursor, reducer, played))

    @contextmanager
    def _open_reducer(self, reduction: Reduction) -> Iterator[Reducer | None]:
        """Return what leaves out events for a subscriber; None for one that wants all.

        Raises a problem when too many subscribers make this process keep what they have got.
        """
        if reduction == Reduction():
            yield None
            return
        if reduction.keeps_values and self._reducers >= REDUCERS_MAX:
            self.metrics.subscribers_refused.inc()
            raise unavailable(
                f"{REDUCERS_MAX} live subscribers use minChange or minInterval, the limit; omit them, or try "
                "again later.",
                RETRY_AFTER_S,
            )
        self._reducers += reduction.keeps_values
        try:
            yield Reducer(reduction)
        finally:
            self._reducers -= reduction.keeps_values

    async def frames(
        self,
        subscriber: Subscriber,
        events: frozenset[EventName],
        cursor: Cursor | None,
        reducer: Reducer | None = None,
        history: PlayedHistory | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the Server-Sent Events of one subscriber, until the server stops or its key is revoked.

        `history` is played first, instead of a snapshot or of what comes after the cursor. A gap event is
        sent even if `events` does not include it: the other events would mislead without it.
        """
        while not (self.hub.seeded.is_set() or subscriber.closed):
            # An empty snapshot would be wrong, and after a refusal a browser does not reconnect.
            with suppress(TimeoutError):
                await asyncio.wait_for(self.hub.seeded.wait(), _SEEDING_POLL_S)
        stream = _Stream(self, subscriber, events, history)
        run = stream.run if reducer is None else partial(stream.run_reduced, reducer)
        if cursor is not None and cursor.partial and (cursor.after is None or "snapshot" not in events):
            cursor = None
        while not subscriber.closed:
            async with aclosing(run(cursor)) as chunks:
                async for chunk in chunks:
                    yield chunk
            cursor = None


class _Stream:
    """The stream of one subscriber: joining or resuming, then changes."""

    def __init__(
        self,
        streams: EventStreams,
        subscriber: Subscriber,
        events: frozenset[EventName],
        history: PlayedHistory | None = None,
    ) -> None:
        self._history = history
        self._streams = streams
        self._hub = streams.hub
        self._subscriber = subscriber
        self._events = events

    async def run_reduced(self, reducer: Reducer, cursor: Cursor | None) -> AsyncGenerator[bytes, None]:
        """Yield the events that a reducer leaves, those that waited for their time, and comments."""
        clock = asyncio.get_running_loop().time
        keepalive_s = self._streams.keepalive_s
        silent_since = clock()
        async with aclosing(self.run(cursor, lambda: self._wait_s(reducer))) as chunks:
            async for chunk in chunks:
                now_s = clock()
                reduced = reducer.reduce(chunk, now_s) + reducer.release(now_s)
                if not reduced and now_s - silent_since >= keepalive_s:
                    reduced = KEEPALIVE
                if reduced:
                    silent_since = now_s
                    yield reduced

    def _wait_s(self, reducer: Reducer) -> float:
        """Return how long to wait for events: until the next comment, or the next change that waits."""
        due_s = reducer.next_due_s()
        if due_s is None:
            return self._streams.keepalive_s
        return min(self._streams.keepalive_s, max(0.0, due_s - asyncio.get_running_loop().time()))

    async def run(
        self, cursor: Cursor | None, wait_s: Callable[[], float] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield events until the subscriber is closed, or lost; the last event is then a gap.

        A comment comes when there were none for `wait_s`, by default the time of keep-alives.
        """
        subscriber = self._subscriber
        try:
            start = self._begin(cursor)
            async with aclosing(start):
                async for chunk in start:
                    if subscriber.lost is not None or subscriber.closed:
                        break
                    yield chunk
            while subscriber.lost is None and not subscriber.closed:
                queued = await subscriber.next_chunk(wait_s() if wait_s else self._streams.keepalive_s)
                if queued is None:
                    if subscriber.lost is None and not subscriber.closed:
                        yield KEEPALIVE
                elif CHANGE_KINDS & self._events:
                    yield queued
                    subscriber.on_chunk_sent()
                elif heartbeats := heartbeats_of(queued):
                    yield heartbeats
            lost = subscriber.lost
        except ReplayError as error:
            lost = error.reason
        if lost is not None and not subscriber.closed:
            self._streams.metrics.gaps.labels(lost.value).inc()
            yield encode_event("gap", encode_cursor(self._hub.cursor(partial=True)), gap_data(lost))

    def _begin(self, cursor: Cursor | None) -> AsyncGenerator[bytes, None]:
        """Yield what comes before the changes from now on; of history, what is left when it is first read."""
        if self._history is not None:
            history, self._history = self._history, None
            return self._play(history)
        if cursor is None:
            return self._snapshot(self._hub.join(self._subscriber))
        return self._resume(cursor) if cursor.history is None else self._play_missed(cursor.history)

    async def _resume(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Yield the changes since a cursor, from the log or the database; raise ReplayError at a gap."""
        try:
            async with aclosing(self._resume_in_log(cursor)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ReplayError as error:
            lost, start = error.reason, self._missed_from(cursor)
            if lost not in _IN_DATABASE or start is None:
                raise
        else:
            return
        async with aclosing(self._play_missed(start, lost)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _missed_from(self, cursor: Cursor) -> HistoryPlace | None:
        """Return from where on the database may have what is missed; None when a gap is told instead."""
        histories = self._streams.histories
        if histories is None or cursor.partial or not CHANGE_KINDS & self._events:
            return None
        takes_snapshot = "snapshot" in self._events
        return histories.missed_from(
            cursor, MISSED_BEFORE_SNAPSHOT_MAX if takes_snapshot else HISTORY_SPAN_MAX
        )

    async def _play_missed(
        self, place: HistoryPlace, lost: GapReason = GapReason.LOG_TRUNCATED
    ) -> AsyncGenerator[bytes, None]:
        """Yield stored history behind a place, and what the log has after it; raise ReplayError at a gap.

        Its reason is `lost` where no later try can change that, or where a snapshot comes next.
        """
        histories = self._streams.histories
        if histories is None:
            raise ReplayError(lost)
        try:
            history = await histories.open_missed(self._subscriber.filter, place)
        except ProblemError as problem:
            is_final = problem.status == HTTPStatus.BAD_REQUEST or "snapshot" in self._events
            raise ReplayError(lost if is_final else GapReason.LOG_UNREADABLE) from problem
        self._streams.metrics.resumes.labels("database").inc()
        async with aclosing(self._play(history)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _play(self, history: PlayedHistory) -> AsyncGenerator[bytes, None]:
        """Yield stored history, and what the log has after it; raise ReplayError at a gap."""
        cursor: Cursor | None = None
        try:
            played = history.player.play(self._subscriber, self._streams.keepalive_s)
            async with aclosing(played) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Cursor):
                        cursor = chunk
                    elif CHANGE_KINDS & self._events:
                        yield chunk
        finally:
            history.give_back()
        if cursor is not None:
            # The log has again what the stream told of an alarm after the end of history was chosen.
            seen = {("", alarm): last for alarm, last in history.player.alarm_revisions.items()}
            async with aclosing(self._resume_in_log(cursor, seen)) as missed:
                async for chunk in missed:
                    yield chunk

    async def _snapshot(
        self, snapshot: LiveSnapshot, after: SnapshotKey | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the events of a snapshot, or of its part after a key."""
        if "snapshot" not in self._events:
            return
        place = structs.replace(snapshot.cursor, partial=True)
        end = encode_cursor(snapshot.cursor)
        shown: list[AlarmEvent | SnapshotValue] = [*snapshot.alarms, *snapshot.values]
        if after is not None:
            shown = [item for item in shown if _snapshot_key(item) > after]
        if not shown:
            yield encode_event("snapshot", end, EMPTY_SNAPSHOT)
            return
        last = len(shown) - 1
        self._streams.metrics.events.labels("snapshot").inc(last + 1)
        for first in range(0, last + 1, CHUNK_EVENTS):
            frames = []
            for number, item in enumerate(shown[first : first + CHUNK_EVENTS], first):
                if isinstance(item, AlarmEvent):
                    data = alarm_data(item, self._hub.model, last=number == last)
                else:
                    data = state_data(item.update, item.freshness, self._hub.model, last=number == last)
                if data is not None:
                    cursor = (
                        encode_cursor(structs.replace(place, after=_snapshot_key(item)))
                        if number < last
                        else end
                    )
                    frames.append(encode_event("snapshot", cursor, data))
                elif number == last:
                    frames.append(encode_event("snapshot", end, EMPTY_SNAPSHOT))
            yield b"".join(frames)
            await asyncio.sleep(0)

    async def _resume_in_log(self, cursor: Cursor, seen: _Seen | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the changes since a cursor, from the replay buffer or the log; raise ReplayError at a gap.

        Inside a snapshot these are the changes of what was sent of it, and then comes the rest of it. Changes
        of `seen`, and older ones, are left out.
        """
        await self._catch_up(cursor)
        seen = {} if seen is None else seen
        source = "ring"
        while True:
            if cursor.log != self._hub.log_id:
                raise ReplayError(GapReason.LOG_CHANGED)
            missed = self._hub.resume(self._subscriber, cursor)
            if missed is not None:
                break
            # The subscriber has not joined yet: its queue stays empty, however long this takes.
            source = "log"
            target = structs.replace(cursor, positions=tuple(self._hub.positions))
            async with aclosing(self._replayed(cursor, target, seen)) as chunks:
                async for chunk in chunks:
                    yield chunk
            cursor = target
        # In the same step as the joining.
        rest = self._hub.snapshot(missed.selection) if cursor.after is not None else None
        self._streams.metrics.resumes.labels(source).inc()
        async for chunk in self._missed(missed, cursor, seen):
            yield chunk
        if rest is not None:
            async with aclosing(self._snapshot(rest, cursor.after)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _catch_up(self, cursor: Cursor) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._streams.catch_up_s
        while True:
            if cursor.log == self._hub.log_id:
                if len(cursor.positions) != len(self._hub.positions):
                    raise ReplayError(GapReason.LOG_CHANGED)
                if self._hub.has_reached(cursor):
                    return
            if self._subscriber.closed:
                return
            if loop.time() > deadline or (self._hub.log_id and cursor.log != self._hub.log_id):
                break
            await asyncio.sleep(_PAUSE_S)
        ahead = cursor.log == self._hub.log_id
        raise ReplayError(GapReason.CURSOR_AHEAD if ahead else GapReason.LOG_CHANGED)

    async def _replayed(self, start: Cursor, target: Cursor, seen: _Seen) -> AsyncGenerator[bytes, None]:
        """Yield the changes of the log between two cursors; `seen` collects the revision of each value."""
        positions = list(start.positions)
        selection = resolve_filter(self._subscriber.filter, self._hub.model)
        async with aclosing(self._streams.replay.records(start.positions, target.positions)) as records:
            async for partition, offset, changes in records:
                frames = []
                for index, change in enumerate(changes):
                    if isinstance(change, Update) and change.kind in UNSENT_KINDS:
                        continue
                    known = seen.get(_key(change), 0)
                    seen[_key(change)] = max(known, change.revision)
                    if (offset, index) < start.positions[partition] or change.revision <= known:
                        continue
                    positions[partition] = offset, index + 1
                    if start.was_played(change):
                        continue
                    if start.includes(_key(change)) and selection.matches_change(change):
                        cursor = structs.replace(start, positions=tuple(positions))
                        frames.append(self._event(change, cursor))
                if frames and CHANGE_KINDS & self._events:
                    yield b"".join(frames)

    async def _missed(self, missed: MissedChanges, start: Cursor, seen: _Seen) -> AsyncIterator[bytes]:
        if not CHANGE_KINDS & self._events:
            return
        events = chain(self._aged(missed.aged, start), self._buffered(missed, start, seen))
        while chunk := list(islice(events, CHUNK_EVENTS)):
            yield b"".join(chunk)
            await asyncio.sleep(0)

    def _aged(self, aged: Sequence[AgedValue], start: Cursor) -> Iterator[bytes]:
        """Yield the events of aged values."""
        positions = ageing_positions([value.due for value in aged], start.aged_until)
        for value, until in zip(aged, positions, strict=True):
            if not start.includes(_key(value.update)):
                continue
            data = state_data(value.update, value.freshness, self._hub.model)
            if data is not None:
                yield encode_event("state", encode_cursor(structs.replace(start, aged_until=until)), data)

    def _buffered(self, missed: MissedChanges, start: Cursor, seen: _Seen) -> Iterator[bytes]:
        """Yield the events of changes in the replay buffer."""
        positions = list(start.positions)
        for buffered in missed.changes:
            positions[buffered.partition_index] = buffered.offset, buffered.record_index + 1
            key = _key(buffered.change)
            if start.was_played(buffered.change):
                continue
            if start.includes(key) and buffered.change.revision > seen.get(key, 0):
                cursor = structs.replace(
                    start, positions=tuple(positions), aged_until=missed.cursor.aged_until
                )
                yield self._event(buffered.change, cursor)

    def _event(self, change: Update | AlarmEvent, cursor: Cursor) -> bytes:
        """Return the event of a missed change with its freshness at that time; b"" if the model lost it."""
        if isinstance(change, AlarmEvent):
            data = alarm_data(change, self._hub.model)
            return encode_event("alarm", encode_cursor(cursor), data) if data is not None else b""
        interval = self._hub.view.expected_interval(change)
        if interval is None:
            return b""
        then = freshness(change.phenomenon_time, interval, cursor.aged_until)
        data = state_data(change, then, self._hub.model)
        return encode_event("state", encode_cursor(cursor), data) if data is not None else b""


def _snapshot_key(item: AlarmEvent | SnapshotValue) -> SnapshotKey:
    return _key(item if isinstance(item, AlarmEvent) else item.update)


def _key(change: Update | AlarmEvent) -> SnapshotKey:
    return ("", change.alarm) if isinstance(change, AlarmEvent) else (change.entity, change.property)
