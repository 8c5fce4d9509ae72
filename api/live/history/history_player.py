"""Stored history as events, in the order of reception, and where it ends and the log goes on.

A place in history is a key of the database, the same at every replica. The end is chosen when it is near, so
that the log still has what follows, however long the history is. The hub marks its position each second: all
that a record before a mark tells was received before the time of the mark, as far as clocks agree. Whatever
was received before the end comes from history, and what the log has of it behind the mark is left out.

A subscriber whose cursor the log does not have any more is played what it missed, from a little before the
time of its cursor on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from itertools import islice
from typing import NamedTuple

from api.access.readable_series import readable_series
from api.access.rights import PUBLIC
from api.bulk.slots import DownloadSlots
from api.database import Database
from api.entities.selection import EntityFilter, resolve_filter
from api.http.problems import ProblemError, RequestFault, bad_request
from api.live.cursor import Cursor, HistoryPlace
from api.live.events import KEEPALIVE
from api.live.history.history_events import HistoryEvents, HistoryPage, PageLimits, history_page
from api.live.hub import Hub, PositionMark
from api.live.log_replay import ReplayError
from api.live.models import GapReason
from api.live.partition_order import ordered_partitions
from api.live.subscriber import Subscriber
from runtime.clock import Clock
from storage.database import Connection, QueryError
from storage.history.observation_columns import (
    BulkSeries,
    ObservationColumns,
    ReceptionPlace,
    check_kept,
    list_observed_datastreams,
    read_bulk_series,
    read_newest_columns,
    read_received_columns,
)
from storage.stores.alarms import (
    ALARM_ROWS_MAX,
    PublishedEventPosition,
    StoredAlarmEvent,
    read_published_alarm_events,
)
from storage.stores.log_positions import SETTLED_AFTER, LogPositions, read_positions
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, SECOND, Duration, Instant, format_instant

HISTORY_SPAN_MAX: Duration = 31 * DAY
"""From `start` to now."""

HISTORIES_MAX = 8
"""Subscribers that history is played to at one time: each has some 5 MB in memory."""

CLIENT_HISTORIES_MAX = 2
"""Of one client."""

MISSED_MAX = 64
"""Subscribers that what they missed is played to at one time; another one gets a gap. After a restart of the
whole system each needs some 40 s."""

MISSED_LEAD: Duration = 10 * SECOND
"""So much before the time of a cursor may be missing: from the reception of an observation to its event."""

HISTORY_S_MAX = 3_600.0
"""After this a stream that is still in history ends: another one has its place, and it resumes."""

CLOCK_SKEW_MAX: Duration = 10 * SECOND
"""Between the clocks of ingest and api."""

# The stream sends no events that are added to the past of an alarm: all those of a revision are skipped.
_AMENDMENT_MAX = (1 << 31) - 1

PAGE_ROWS_MAX = 5_000
CHUNK_EVENTS = 200
_SPAN_FIRST: Duration = 10 * MINUTE
_SPAN_MIN: Duration = SECOND
_SPAN_MAX: Duration = 6 * HOUR
_NEAR_S = 10.0
_POLL_S = 1.0


def requested_start(start: Instant, now: Instant, part: str) -> HistoryPlace:
    """Return the place before all history from a start on; raise a problem for a start out of range."""
    earliest = now - HISTORY_SPAN_MAX
    if not earliest <= start <= now:
        detail = (
            f"found {format_instant(start)}, expected {format_instant(earliest)} to {format_instant(now)} "
            f"(now): history is played for {HISTORY_SPAN_MAX // DAY} days at most; /v1/observations has "
            "older observations"
        )
        raise bad_request(RequestFault(part, "start", "range", detail))
    return HistoryPlace.between(start, start)


class PlayedEnd(NamedTuple):
    """Where history ends: everything received before `until` was played, and the log goes on at `mark`."""

    until: Instant
    mark: PositionMark
    log: str


class Histories:
    """Opens stored history for subscribers, with a limit on their number."""

    def __init__(self, hub: Hub, database: Database, clock: Clock, reading: asyncio.Semaphore) -> None:
        self.hub = hub
        self.database = database
        self.clock = clock
        self.reading = reading  #: parts of the database that are read at one time
        self.slots = DownloadSlots(HISTORIES_MAX, CLIENT_HISTORIES_MAX, "streams that play history")
        self.missed_slots = DownloadSlots(MISSED_MAX, MISSED_MAX, "streams that play what was missed")
        self.settled_after = SETTLED_AFTER
        self.clock_skew_max = CLOCK_SKEW_MAX
        self.page_rows_max = PAGE_ROWS_MAX

    async def open(self, filter: EntityFilter, place: HistoryPlace, part: str) -> HistoryPlayer:
        """Return the history behind a place, for what a filter selects and everybody may see.

        Raises a problem without a database, and when the place is before what is kept; `part` of the request
        has the place.
        """
        now = self.clock()
        if not now - 2 * HISTORY_SPAN_MAX <= place.received_time <= now + DAY:
            detail = (
                f"the cursor is in history at {format_instant(place.received_time)}, more than "
                f"{2 * HISTORY_SPAN_MAX // DAY} days ago: omit it; /v1/observations has so old observations"
            )
            raise bad_request(RequestFault(part, "cursor", "cursor", detail))
        model = self.hub.model
        selection = resolve_filter(filter, model)
        async with self.database.connection() as connection:
            found = await list_observed_datastreams(connection)
            selected = [
                each
                for each in readable_series(found, PUBLIC, model)
                if each.property in model.properties and selection.matches(each.entity, each.property)
            ]
            rules = {each.source.id: model.properties[each.property].quality for each in selected}
            try:
                series = await read_bulk_series(connection, rules, now)
                check_kept(place.received_time, series.raw_from)
            except QueryError as error:
                raise bad_request(RequestFault(part, "start", "range", str(error))) from error
        return HistoryPlayer(self, HistoryEvents(selected, selection, model), series, place)

    def missed_from(self, cursor: Cursor, span_max: Duration) -> HistoryPlace | None:
        """Return the place before what is not sent up to a cursor; None when it is older than `span_max`."""
        sent_until = min(cursor.aged_until, cursor.received_until or cursor.aged_until)
        start = max(sent_until, cursor.played_until) - MISSED_LEAD
        return HistoryPlace.between(start, start) if start >= self.clock() - span_max else None

    async def open_missed(self, filter: EntityFilter, place: HistoryPlace) -> PlayedHistory:
        """Open the history behind a place as `open`, with one of the slots of those who missed it."""
        give_back = self.missed_slots.take("")
        try:
            return PlayedHistory(await self.open(filter, place, "query"), give_back)
        except BaseException:
            give_back()
            raise

    async def settled_until(self) -> Instant:
        """Return the time before which everything that was received is stored.

        Raises a problem without a database.
        """
        hub = self.hub
        log_id, now = hub.log_id, self.clock()
        reached = PositionMark(now, tuple(hub.positions))
        async with self.database.connection() as connection:
            stored = await read_positions(connection, log_id)
        marks = [reached, *reversed(hub.marks)] if hub.log_id == log_id else []
        covered = next((mark.time for mark in marks if _is_stored(mark, stored)), None)
        return INSTANT_MIN if covered is None else min(covered, now) - self.settled_after

    def end_before(self, settled: Instant) -> PlayedEnd | None:
        """Return the latest end of history of which everything is stored; None as long as there is none."""
        for mark in reversed(self.hub.marks):
            until = mark.time + self.clock_skew_max
            if until <= settled:
                return PlayedEnd(until, mark, self.hub.log_id)
        return None


def _is_stored(mark: PositionMark, stored: LogPositions) -> bool:
    order = ordered_partitions(len(mark.positions) // 2)
    return all(
        stored.get((each.topic, each.partition), 0) >= offset
        for each, (offset, _) in zip(order, mark.positions, strict=True)
    )


class PlayedHistory(NamedTuple):
    """Stored history that a subscriber gets, and what gives back its slot."""

    player: HistoryPlayer
    give_back: Callable[[], None]


class HistoryPlayer:
    """The history of one subscriber."""

    def __init__(
        self, histories: Histories, events: HistoryEvents, series: BulkSeries, place: HistoryPlace
    ) -> None:
        self._histories = histories
        self._events = events
        self._series = series
        self._place = place
        self._span = _SPAN_FIRST
        self._is_begun = False

    def take_slot(self, client: str) -> Callable[[], None]:
        """Take a slot; return what gives it back. Raises a problem (429, 503) when there is none."""
        return self._histories.slots.take(client)

    @property
    def alarm_revisions(self) -> Mapping[str, int]:
        """The revision of the last event that was played, by alarm: the log has some of them, too."""
        return self._events.alarm_revisions

    async def play(self, subscriber: Subscriber, keepalive_s: float) -> AsyncGenerator[bytes | Cursor, None]:
        """Yield events up to the end of history, comments while it waits, and last the cursor in the log.

        Ends earlier when the subscriber is closed; it is after `HISTORY_S_MAX`. Raises ReplayError when
        history cannot be read from the place on.
        """
        clock = asyncio.get_running_loop().time
        begun = sent = clock()
        while not subscriber.closed:
            asked = clock()
            end: PlayedEnd | None = None
            try:
                settled = await self._histories.settled_until()
                end = self._histories.end_before(settled)
                async with aclosing(self._play_until(end.until if end else settled)) as chunks:
                    async for chunk in chunks:
                        if subscriber.closed:
                            return
                        yield chunk
                        sent = clock()
                        if sent - begun > HISTORY_S_MAX:
                            subscriber.close()
            except ProblemError:
                end = None  # The database does not answer: history goes on where it was, once it does.
            except QueryError as error:
                raise ReplayError(GapReason.LOG_UNREADABLE) from error
            if end is not None and self._is_at(end):
                if clock() - asked < _NEAR_S:
                    yield self._cursor(end)
                    return
                continue  # The log may not reach back to the end any more: there is a later one.
            await subscriber.wait(_POLL_S)
            if clock() - sent >= keepalive_s:
                yield KEEPALIVE
                sent = clock()

    def _is_at(self, end: PlayedEnd) -> bool:
        """Whether everything received before the end, and nothing else, was played or is not asked for."""
        place = self._place
        is_after = place.is_between and place.received_time >= end.until
        return is_after and end.log == self._histories.hub.log_id

    def _cursor(self, end: PlayedEnd) -> Cursor:
        # What has aged since the start, and was not received again, is sent with what was missed.
        return Cursor(
            end.log,
            end.mark.positions,
            aged_until=self._place.start,
            played_until=self._place.received_time,
        )

    async def _play_until(self, end: Instant) -> AsyncGenerator[bytes, None]:
        """Yield the events of what was received before `end`."""
        while self._place.received_time < end:
            page = await self._read(min(self._place.received_time + self._span, end))
            events = self._events.events(page)
            while chunk := list(islice(events, CHUNK_EVENTS)):
                if any(chunk):
                    yield b"".join(chunk)
                await asyncio.sleep(0)
            self._place = page.end
            if page.end.is_between:
                self._span = min(_SPAN_MAX, self._span * 2)
            else:
                self._span = max(_SPAN_MIN, self._span // 2)

    async def _read(self, end: Instant) -> HistoryPage:
        """Return the next page of what was received, or told of alarms, before `end`."""
        histories, start = self._histories, self._place.start
        rows_max = histories.page_rows_max
        limits = PageLimits(rows_max, min(rows_max, ALARM_ROWS_MAX))
        async with histories.reading, histories.database.connection() as connection:
            observations = await self._read_observations(connection, end, limits.observations)
            alarms = await self._read_alarms(connection, end, limits.alarms)
        return history_page(start, end, observations, alarms, limits)

    async def _read_observations(
        self, connection: Connection, end: Instant, limit: int
    ) -> ObservationColumns | None:
        if not self._series.datastreams:
            return None
        _, received, datastream, measured, *_ = self._place
        place = ReceptionPlace(received, datastream, measured)
        if not self._is_begun:
            self._events.begin(await read_newest_columns(connection, self._series, place))
            self._is_begun = True
        return await read_received_columns(connection, self._series, (received, end), place, limit)

    async def _read_alarms(self, connection: Connection, end: Instant, limit: int) -> list[StoredAlarmEvent]:
        if not self._events.has_alarms:
            return []
        place = self._place
        after = PublishedEventPosition(place.received_time, place.alarm, place.revision, _AMENDMENT_MAX)
        return await read_published_alarm_events(connection, place.received_time, end, end, after, limit)
