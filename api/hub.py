"""The hub: takes updates into the live view and tells every subscriber what it asked for.

Everything here happens in single steps of the event loop: no update can slip between the copy of the view
that a subscriber gets and the moment from which it is told the changes. The hub never waits for a subscriber.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.cursor import Cursor, Position, encode_cursor
from api.events import GapReason, frame, state_data
from api.metrics import ApiMetrics
from api.ring import Entry, Ring
from api.selection import Filter, Selection, resolve
from api.subscriber import Subscriber
from api.view import LiveView, Seed, Value
from runtime.clock import Clock
from twin.freshness import Freshness
from twin.instant import Instant
from twin.messages import Update, UpdateKind
from twin.model import CityModel


class Shown(NamedTuple):
    """A value as it is at one moment."""

    update: Update
    freshness: Freshness


class Snapshot(NamedTuple):
    """Everything that a subscriber asked for, as it was in the step in which it joined."""

    values: list[Shown]
    cursor: Cursor


class Missed(NamedTuple):
    """What a subscriber that resumes has missed: updates, then values that aged meanwhile."""

    entries: list[Entry]
    aged: list[Shown]
    selection: Selection
    cursor: Cursor


@dataclass(slots=True, eq=False)
class _Group:
    """The subscribers that ask for the same; they share every encoded event."""

    selection: Selection
    members: set[Subscriber] = field(default_factory=set)


class Hub:
    """Owns the live view, the ring and the subscribers of this process."""

    def __init__(
        self, model: CityModel, clock: Clock, metrics: ApiMetrics, *, partitions: int, ring_events_max: int
    ) -> None:
        self.view = LiveView(model)
        self.log = ""  #: identity of the log that the view follows; empty until it is seeded
        self.seeded = asyncio.Event()  #: set once there is something to show
        self.positions: list[Position] = [(0, 0)] * partitions
        self._clock = clock
        self._metrics = metrics
        self._ring = Ring(ring_events_max)
        self._ring.reset(self.positions)
        self._aged: Instant = clock()
        self._groups: dict[Filter, _Group] = {}

    @property
    def model(self) -> CityModel:
        """The city model that the view is shown by."""
        return self.view.model

    def cursor(self, *, partial: bool = False) -> Cursor:
        """Return the present place in the log."""
        return Cursor(self.log, tuple(self.positions), self._aged, partial)

    # --- what the feed does ---

    def reset(self, log: str, seed: Seed, offsets: Sequence[int]) -> None:
        """Replace the view by what the database knows at `offsets`; every subscriber gets a gap."""
        reason = GapReason.LOG_TRUNCATED if log == self.log else GapReason.LOG_CHANGED
        self._aged = self._clock()
        self.view.reset(seed, self._aged)
        self.log = log
        self.seeded.set()
        self.positions = [(offset, 0) for offset in offsets]
        self._ring.reset(self.positions)
        self._metrics.view_size.set(len(self.view))
        groups, self._groups = self._groups, {}
        for group in groups.values():
            for member in group.members:
                member.lose(reason)

    def merge(self, seed: Seed) -> None:
        """Take in what the database knows beyond the view, and tell it as changes."""
        self._tell_now(self.view.merge(seed, self._clock()))
        self._metrics.view_size.set(len(self.view))

    def take(self, partition: int, offset: int, updates: Iterable[Update]) -> None:
        """Take in one record of the log."""
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
            self._ring.append(Entry(partition, offset, index, update))
            self.positions[partition] = offset, index + 1
            self._collect(value, None, chunks)
        self.positions[partition] = offset + 1, 0
        self._metrics.updates.labels("taken").inc(taken)
        self._metrics.updates.labels("known").inc(known)
        self._metrics.view_size.set(len(self.view))
        self._send(chunks)

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
        return Snapshot(values, self.cursor())

    def resume(self, subscriber: Subscriber, cursor: Cursor) -> Missed | None:
        """Begin to tell a subscriber the changes, and return what it missed since its cursor.

        None when the ring does not reach back to the cursor: then nothing has begun.
        """
        self.sweep()
        entries = self._ring.since(cursor.positions)
        if entries is None:
            return None
        selection = self._attach(subscriber).selection
        entries = [one for one in entries if selection.holds(one.update.entity, one.update.property)]
        told = {(one.update.entity, one.update.property) for one in entries}
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

    def _tell_now(self, values: Iterable[Value]) -> None:
        cursor = encode_cursor(self.cursor())
        chunks: defaultdict[Filter, list[bytes]] = defaultdict(list)
        for value in values:
            self._collect(value, cursor, chunks)
        self._send(chunks)

    def _send(self, chunks: dict[Filter, list[bytes]]) -> None:
        for wanted, frames in chunks.items():
            members = self._groups[wanted].members
            chunk = b"".join(frames)
            self._metrics.events.labels("state").inc(len(frames) * len(members))
            for member in [one for one in members if not one.offer(chunk)]:
                self.leave(member)
