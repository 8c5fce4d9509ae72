"""The hub: takes updates and alarms into the live view and tells every subscriber what it asked for.

Everything here happens in single steps of the event loop: no update can slip between the copy of the view
that a subscriber gets and the moment from which it is told the changes. The hub never waits for a subscriber.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from api.entities.selection import ResolvedFilter, resolve_filter
from api.live.alarm_events import alarm_data
from api.live.alarm_view import AlarmView
from api.live.cursor import Cursor, PartitionPosition, RecordCursors, ageing_positions, encode_cursor
from api.live.events import GapReason, encode_event, event_head, event_heads, state_data
from api.live.fan_out import FanOut
from api.live.live_view import LiveValue, LiveView, ViewSeed
from api.live.partition_order import ordered_partitions
from api.live.replay_buffer import BufferedChange, BufferedRecord, ReplayBuffer
from api.live.subscriber import Subscriber
from api.metrics import ApiMetrics
from runtime.clock import Clock
from twin.alarms.messages import ALARMS, AlarmBatch, AlarmEvent
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.state.freshness import Freshness
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import UPDATES, Update, UpdateBatch, UpdateKind

RING_BYTES_MAX = 16 * 1024 * 1024
"""An update is about a hundred bytes: 150,000 of them."""


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
        ring_bytes_max: int = RING_BYTES_MAX,
        listener: ChangeListener | None = None,
    ) -> None:
        self.view = LiveView(model)
        self.alarms = AlarmView()
        self.log_id = ""  #: identity of the log that the view follows; empty until it is seeded
        self.seeded = asyncio.Event()  #: set once there is something to show
        self.positions: list[PartitionPosition] = [(0, 0)] * len(ordered_partitions(partitions))  #: by lane
        self._clock = clock
        self._metrics = metrics
        self._ring = ReplayBuffer(ring_events_max, ring_bytes_max)
        self._ring.reset(self.positions)
        self._aged: Instant = clock()
        self.fan_out = FanOut(metrics)
        self._watcher = listener

    @property
    def model(self) -> CityModel:
        """The city model that the view is shown by."""
        return self.view.model

    def cursor(self, *, partial: bool = False) -> Cursor:
        """Return the present place in the log."""
        return Cursor(self.log_id, tuple(self.positions), self._aged, partial)

    # --- what the feed does ---

    def reset(self, log: str, seed: ViewSeed, offsets: Sequence[int]) -> None:
        """Replace the view by what the database knows at `offsets`, by lane; every subscriber gets a gap."""
        reason = GapReason.LOG_TRUNCATED if log == self.log_id else GapReason.LOG_CHANGED
        self._aged = self._clock()
        self.view.reset(seed, self._aged)
        self.alarms.reset(seed.alarms, seed.incidents)
        self.log_id = log
        self.seeded.set()
        self.positions = [(offset, 0) for offset in offsets]
        self._ring.reset(self.positions)
        self._measure()
        self.fan_out.lose_all(reason)
        if self._watcher is not None:
            self._watcher.on_reset()

    def merge(self, seed: ViewSeed) -> None:
        """Take in what the database knows beyond the view, and tell it as changes."""
        cursor = encode_cursor(self.cursor())
        for value in self.view.merge(seed, self._clock()):
            self._tell(value, cursor)
        self.fan_out.flush()
        for event in self.alarms.merge(seed.alarms, seed.incidents):
            self._tell_alarm(event)
        self.fan_out.flush("alarm")
        self._measure()
        if self._watcher is not None:
            self._watcher.on_reset()

    def on_updates(
        self, lane: int, offset: int, updates: Sequence[Update], record: bytes | None = None
    ) -> None:
        """Take in one record of `updates`; `record` is how it lies on the log, encoded anew by default."""
        # What is told is as fresh as it is now, so its cursor must say that ageing is told until now.
        now = self.age_values()
        apply, tell, model = self.view.apply, self.fan_out.add_state, self.model
        before = None
        if self.fan_out.groups and updates:
            before = event_heads(RecordCursors(self.cursor(), lane, offset, len(updates)))
        news: list[int] = []
        known = 0
        for number, update in enumerate(updates):
            value = apply(update, now)
            if value is None:
                # A household's is taken in all the same, and told to nobody here.
                known += update.kind is not UpdateKind.PERSONAL
                continue
            news.append(number)
            if before is not None:
                tell(value, before(number), model)
        if self._watcher is not None:
            self._watcher.on_entities(updates[number].entity for number in news)
        self.positions[lane] = offset + 1, 0
        if news:
            kept = UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(updates))) if record is None else record
            self._ring.append(
                BufferedRecord(lane, offset, kept, _numbers(news, len(updates)), of_alarms=False)
            )
        self._metrics.updates_applied.inc(len(updates) - known)
        self._metrics.updates_known.inc(known)
        self._measure()
        self.fan_out.flush()

    def on_alarms(self, lane: int, offset: int, batch: AlarmBatch, record: bytes | None = None) -> None:
        """Take in one record of `of_alarms`; `record` as `on_updates` has it."""
        # Incidents first: who asks because of an alarm is told the incident that it belongs to.
        for incident in batch.incidents:
            self.alarms.apply_incident(incident)
        news: list[int] = []
        for number, event in enumerate(batch.alarms):
            is_news = self.alarms.apply(event)
            self._metrics.alarms.labels("taken" if is_news else "known").inc()
            if is_news:
                news.append(number)
                self.positions[lane] = offset, number + 1
                self._tell_alarm(event)
        self.positions[lane] = offset + 1, 0
        if news:
            kept = ALARMS.encode(batch) if record is None else record
            self._ring.append(BufferedRecord(lane, offset, kept, news, of_alarms=True))
        self._measure()
        self.fan_out.flush("alarm")

    def set_model(self, model: CityModel) -> None:
        """Go on with another model; tell what now looks different or is newly selected."""
        groups = self.fan_out.groups
        before = {wanted: group.selection for wanted, group in groups.items()}
        changed = {id(value) for value in self.view.set_model(model, self._clock())}
        cursor = encode_cursor(self.cursor())
        for wanted, group in groups.items():
            group.selection = resolve_filter(wanted, model)
            for value in self.view.matching(group.selection):
                update = value.update
                if id(value) in changed or not before[wanted].matches(update.entity, update.property):
                    assert value.freshness is not None  # noqa: S101 - `matching` yields what is shown
                    data = state_data(update, value.freshness, model)
                    if data is not None:
                        group.events.append(encode_event("state", cursor, data))
        self.fan_out.flush()
        for event in self.alarms.standing():
            for wanted, group in groups.items():
                if group.selection.matches_alarm(event) and not before[wanted].matches_alarm(event):
                    data = alarm_data(event, model)
                    if data is not None:
                        group.events.append(encode_event("alarm", cursor, data))
        self.fan_out.flush("alarm")
        if self._watcher is not None:
            self._watcher.on_reset()

    def age_values(self) -> Instant:
        """Tell every value that aged since the last sweep; return until when ageing is told: now."""
        now = self._clock()
        if now <= self._aged:
            return self._aged
        aged = self.view.age_values(now)
        untils = ageing_positions([due for due, _ in aged], self._aged)
        for (_, value), until in zip(aged, untils, strict=True):
            self._aged = until
            self._tell(value, encode_cursor(self.cursor()))
        self._aged = now
        if aged:
            self.fan_out.flush()
        return now

    # --- what subscribers do ---

    def join(self, subscriber: Subscriber) -> LiveSnapshot:
        """Begin to tell a subscriber the changes, and return what is true before the first of them."""
        self.age_values()
        group = self.fan_out.join(subscriber, self.model)
        values = [
            SnapshotValue(value.update, value.freshness)
            for value in self.view.matching(group.selection)
            if value.freshness is not None
        ]
        alarms = [one for one in self.alarms.standing() if group.selection.matches_alarm(one)]
        return LiveSnapshot(values, alarms, self.cursor())

    def resume(self, subscriber: Subscriber, cursor: Cursor) -> MissedChanges | None:
        """Begin to tell a subscriber the changes, and return what it missed since its cursor.

        None when the ring does not reach back to the cursor: then nothing has begun.
        """
        self.age_values()
        entries = self._ring.since(cursor.positions)
        if entries is None:
            return None
        selection = self.fan_out.join(subscriber, self.model).selection
        entries = [one for one in entries if selection.matches_change(one.change)]
        told = {(one.change.entity, one.change.property) for one in entries if isinstance(one.change, Update)}
        aged = [
            AgedValue(due, value.update, value.freshness)
            for value in self.view.matching(selection)
            if value.freshness is not None
            and (value.update.entity, value.update.property) not in told
            and (due := self.view.aged_at(value, cursor.aged_until, self._aged)) is not None
        ]
        aged.sort(key=lambda one: one.due)
        return MissedChanges(aged, entries, selection, self.cursor())

    def leave(self, subscriber: Subscriber) -> None:
        """Tell a subscriber nothing more."""
        self.fan_out.leave(subscriber)

    def has_reached(self, cursor: Cursor) -> bool:
        """Whether the view is at least as far as a cursor."""
        return all(here >= there for here, there in zip(self.positions, cursor.positions, strict=True))

    def _tell(self, value: LiveValue, cursor: str) -> None:
        if self._watcher is not None:
            self._watcher.on_entities((value.update.entity,))
        self.fan_out.add_state(value, event_head(cursor), self.model)

    def _tell_alarm(self, event: AlarmEvent) -> None:
        if self._watcher is not None:
            self._watcher.on_alarm(event.alarm)
        if self.fan_out.groups:
            self.fan_out.add_alarm(event, encode_cursor(self.cursor()), self.model)

    def _measure(self) -> None:
        self._metrics.view_size.set(len(self.view))
        self._metrics.view_alarms.set(len(self.alarms))


def _numbers(news: Sequence[int], count: int) -> Sequence[int]:
    """Return numbers, as a range where they are all of so many: that takes no room."""
    return range(count) if len(news) == count else news


# Snapshots: what a subscriber is given when it joins, and what it has missed when it resumes.


class SnapshotValue(NamedTuple):
    """A value as it is at one moment."""

    update: Update
    freshness: Freshness


class AgedValue(NamedTuple):
    """A value that is less fresh than it was, by age alone."""

    due: Instant  #: when it became so
    update: Update
    freshness: Freshness


class LiveSnapshot(NamedTuple):
    """Everything that a subscriber asked for, as it was in the step in which it joined."""

    values: list[SnapshotValue]
    alarms: list[AlarmEvent]  #: that are not normal
    cursor: Cursor


class MissedChanges(NamedTuple):
    """What a subscriber that resumes has missed: values that aged meanwhile, then what the log told."""

    aged: list[AgedValue]  #: in that order; of what the log told since there is none
    changes: list[BufferedChange]
    selection: ResolvedFilter
    cursor: Cursor


# Watchers: whoever keeps something in step with the live view without following each of its events.


class ChangeListener(Protocol):
    """Is told what changed, not what it is now: it looks into the view when it comes to it. Never waits."""

    def on_entities(self, ids: Iterable[str]) -> None:
        """Note that values of entities changed, or their freshness."""
        ...

    def on_alarm(self, id: str) -> None:
        """Note that something happened to an alarm."""
        ...

    def on_reset(self) -> None:
        """Note that anything may have changed: the view was seeded anew, or the city model is another one."""
        ...
