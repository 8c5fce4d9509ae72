"""The hub: takes updates and alarms into the live view and tells every subscriber what it asked for.

Everything here happens in single steps of the event loop: no update can slip between the copy of the view
that a subscriber gets and the moment from which it is told the changes. The hub never waits for a subscriber.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from api.alarm_events import alarm_data
from api.alarm_view import AlarmView
from api.cursor import Cursor, Position, encode_cursor
from api.events import EventName, GapReason, frame, state_data
from api.lanes import lanes
from api.metrics import ApiMetrics
from api.ring import Entry, Ring
from api.selection import Filter, Selection, resolve
from api.snapshot import Missed, Shown, Snapshot
from api.subscriber import Subscriber
from api.view import LiveView, Seed, Value
from api.watcher import Watcher
from runtime.clock import Clock
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.instant import Instant
from twin.messages import Update, UpdateKind
from twin.model import CityModel


@dataclass(slots=True, eq=False)
class _Group:
    """The subscribers that ask for the same; they share every encoded event."""

    selection: Selection
    members: set[Subscriber] = field(default_factory=set)


class Hub:
    """Owns the live view, the ring and the subscribers of this process."""

    def __init__(
        self,
        model: CityModel,
        clock: Clock,
        metrics: ApiMetrics,
        *,
        partitions: int,
        ring_events_max: int,
        watcher: Watcher | None = None,
    ) -> None:
        self.view = LiveView(model)
        self.alarms = AlarmView()
        self.log = ""  #: identity of the log that the view follows; empty until it is seeded
        self.seeded = asyncio.Event()  #: set once there is something to show
        self.positions: list[Position] = [(0, 0)] * len(lanes(partitions))  #: by lane
        self._clock = clock
        self._metrics = metrics
        self._ring = Ring(ring_events_max)
        self._ring.reset(self.positions)
        self._aged: Instant = clock()
        self._groups: dict[Filter, _Group] = {}
        self._watcher = watcher
        self.told: Subscriber | None = None  #: one of those that were told something last

    @property
    def model(self) -> CityModel:
        """The city model that the view is shown by."""
        return self.view.model

    def cursor(self, *, partial: bool = False) -> Cursor:
        """Return the present place in the log."""
        return Cursor(self.log, tuple(self.positions), self._aged, partial)

    # --- what the feed does ---

    def reset(self, log: str, seed: Seed, offsets: Sequence[int]) -> None:
        """Replace the view by what the database knows at `offsets`, by lane; every subscriber gets a gap."""
        reason = GapReason.LOG_TRUNCATED if log == self.log else GapReason.LOG_CHANGED
        self._aged = self._clock()
        self.view.reset(seed, self._aged)
        self.alarms.reset(seed.alarms, seed.incidents)
        self.log = log
        self.seeded.set()
        self.positions = [(offset, 0) for offset in offsets]
        self._ring.reset(self.positions)
        self._measure()
        groups, self._groups = self._groups, {}
        for group in groups.values():
            for member in group.members:
                member.lose(reason)
        if self._watcher is not None:
            self._watcher.everything()

    def merge(self, seed: Seed) -> None:
        """Take in what the database knows beyond the view, and tell it as changes."""
        self._tell_now(self.view.merge(seed, self._clock()))
        self._tell_alarms(self.alarms.merge(seed.alarms, seed.incidents))
        self._measure()
        if self._watcher is not None:
            self._watcher.everything()

    def take(self, lane: int, offset: int, updates: Iterable[Update]) -> None:
        """Take in one record of `updates`."""
        now = self._clock()
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        known = taken = 0
        for index, update in enumerate(updates):
            value = self.view.apply(update, now)
            if value is None:
                # A household's is taken in all the same, and told to nobody here.
                if update.kind == UpdateKind.PERSONAL:
                    taken += 1
                else:
                    known += 1
                continue
            taken += 1
            self._ring.append(Entry(lane, offset, index, update))
            self.positions[lane] = offset, index + 1
            self._collect(value, None, chunks)
        self.positions[lane] = offset + 1, 0
        self._metrics.updates.labels("taken").inc(taken)
        self._metrics.updates.labels("known").inc(known)
        self._measure()
        self._send(chunks)

    def take_alarms(self, lane: int, offset: int, batch: AlarmBatch) -> None:
        """Take in one record of `alarms`."""
        # Incidents first: who asks because of an alarm is told the incident that it belongs to.
        for incident in batch.incidents:
            self.alarms.apply_incident(incident)
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        for index, event in enumerate(batch.alarms):
            news = self.alarms.apply(event)
            self._metrics.alarms.labels("taken" if news else "known").inc()
            if news:
                self._ring.append(Entry(lane, offset, index, event))
                self.positions[lane] = offset, index + 1
                self._collect_alarm(event, chunks)
        self.positions[lane] = offset + 1, 0
        self._measure()
        self._send(chunks, "alarm")

    def remodel(self, model: CityModel) -> None:
        """Go on with another model; tell what now looks different or is newly selected."""
        before = {wanted: group.selection for wanted, group in self._groups.items()}
        changed = {id(value) for value in self.view.remodel(model, self._clock())}
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        cursor = encode_cursor(self.cursor())
        for wanted, group in self._groups.items():
            group.selection = resolve(wanted, model)
            for value in self.view.matching(group.selection):
                update = value.update
                if id(value) in changed or not before[wanted].holds(update.entity, update.property):
                    assert value.freshness is not None  # noqa: S101 - `matching` yields what is shown
                    data = state_data(update, value.freshness, model)
                    if data is not None:
                        chunks[wanted].append(frame("state", cursor, data))
        self._send(chunks)
        self._send(self._newly_selected(before, cursor), "alarm")
        if self._watcher is not None:
            self._watcher.everything()

    def _newly_selected(self, before: dict[Filter, Selection], cursor: str) -> dict[Filter, list[bytes]]:
        """Return the events of alarms that stand and are selected now and were not before."""
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        for event in self.alarms.standing():
            for wanted, group in self._groups.items():
                if group.selection.holds_alarm(event) and not before[wanted].holds_alarm(event):
                    data = alarm_data(event, self.model)
                    if data is not None:
                        chunks[wanted].append(frame("alarm", cursor, data))
        return chunks

    def sweep(self) -> None:
        """Tell every value that aged since the last sweep."""
        now = self._clock()
        if now <= self._aged:
            return
        aged = self.view.sweep(now)
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        for number, (due, value) in enumerate(aged):
            # A cursor says "told until": several values that age at one instant are told only with the last.
            if number + 1 == len(aged) or aged[number + 1][0] > due:
                self._aged = max(self._aged, due)
            self._collect(value, None, chunks)
        self._aged = now
        self._send(chunks)

    # --- what subscribers do ---

    def join(self, subscriber: Subscriber) -> Snapshot:
        """Begin to tell a subscriber the changes, and return what is true before the first of them."""
        self.sweep()
        group = self._attach(subscriber)
        values = [
            Shown(value.update, value.freshness)
            for value in self.view.matching(group.selection)
            if value.freshness is not None
        ]
        alarms = [one for one in self.alarms.standing() if group.selection.holds_alarm(one)]
        return Snapshot(values, alarms, self.cursor())

    def resume(self, subscriber: Subscriber, cursor: Cursor) -> Missed | None:
        """Begin to tell a subscriber the changes, and return what it missed since its cursor.

        None when the ring does not reach back to the cursor: then nothing has begun.
        """
        self.sweep()
        entries = self._ring.since(cursor.positions)
        if entries is None:
            return None
        selection = self._attach(subscriber).selection
        entries = [one for one in entries if selection.holds_told(one.told)]
        told = {(one.told.entity, one.told.property) for one in entries if isinstance(one.told, Update)}
        aged = [
            Shown(value.update, value.freshness)
            for value in self.view.matching(selection)
            if value.freshness is not None
            and (value.update.entity, value.update.property) not in told
            and self.view.aged_since(value, cursor.aged, self._aged)
        ]
        return Missed(entries, aged, selection, self.cursor())

    def leave(self, subscriber: Subscriber) -> None:
        """Tell a subscriber nothing more."""
        group = self._groups.get(subscriber.wanted)
        if group is not None:
            group.members.discard(subscriber)
            if not group.members:
                del self._groups[subscriber.wanted]

    def reached(self, cursor: Cursor) -> bool:
        """Whether the view is at least as far as a cursor."""
        return all(here >= there for here, there in zip(self.positions, cursor.positions, strict=True))

    def _attach(self, subscriber: Subscriber) -> _Group:
        subscriber.renew()
        group = self._groups.get(subscriber.wanted)
        if group is None:
            group = self._groups[subscriber.wanted] = _Group(resolve(subscriber.wanted, self.model))
        group.members.add(subscriber)
        return group

    def _collect(self, value: Value, cursor: str | None, chunks: defaultdict[Filter, list[bytes]]) -> None:
        """Add the event that tells a value to the chunk of each group that asks for it; encode it once."""
        encoded: bytes | None = None
        update, freshness = value.update, value.freshness
        if self._watcher is not None:
            self._watcher.entity(update.entity)
        if freshness is None:
            return
        for wanted, group in self._groups.items():
            if group.selection.holds(update.entity, update.property):
                if encoded is None:
                    data = state_data(update, freshness, self.model)
                    if data is None:
                        return
                    encoded = frame("state", cursor or encode_cursor(self.cursor()), data)
                chunks[wanted].append(encoded)

    def _collect_alarm(self, event: AlarmEvent, chunks: defaultdict[Filter, list[bytes]]) -> None:
        """Add the event of an alarm to the chunk of each group that asks for it; encode it once."""
        if self._watcher is not None:
            self._watcher.alarm(event.alarm)
        asking = [one for one, group in self._groups.items() if group.selection.holds_alarm(event)]
        data = alarm_data(event, self.model) if asking else None
        if data is not None:
            encoded = frame("alarm", encode_cursor(self.cursor()), data)
            for wanted in asking:
                chunks[wanted].append(encoded)

    def _tell_alarms(self, events: Iterable[AlarmEvent]) -> None:
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        for event in events:
            self._collect_alarm(event, chunks)
        self._send(chunks, "alarm")

    def _measure(self) -> None:
        self._metrics.view_size.set(len(self.view))
        self._metrics.view_alarms.set(len(self.alarms))

    def _tell_now(self, values: Iterable[Value]) -> None:
        cursor = encode_cursor(self.cursor())
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        for value in values:
            self._collect(value, cursor, chunks)
        self._send(chunks)

    def _send(self, chunks: dict[Filter, list[bytes]], event: EventName = "state") -> None:
        for wanted, frames in chunks.items():
            members = self._groups[wanted].members
            self.told = next(iter(members), self.told)
            chunk = b"".join(frames)
            self._metrics.events.labels(event).inc(len(frames) * len(members))
            for member in [one for one in members if not one.offer(chunk)]:
                self.leave(member)
