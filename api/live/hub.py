"""The hub: applies updates and alarms to the live view, and sends subscribers the matching events.

Everything here happens in single steps of the event loop: no update can fall between the snapshot of a
subscriber and the first change that it is sent. The hub never waits for a subscriber.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from api.entities.selection import ResolvedFilter, resolve_filter
from api.live.alarm_events import alarm_data
from api.live.alarm_view import AlarmView
from api.live.cursor import Cursor, PartitionPosition, RecordCursors, ageing_positions, encode_cursor
from api.live.events import (
    HEARTBEAT,
    encode_event,
    event_head,
    event_heads,
    heartbeat_data,
    state_data,
)
from api.live.fan_out import FanOut
from api.live.live_view import LiveValue, LiveView, ViewSeed
from api.live.models import GapReason
from api.live.partition_order import ordered_partitions
from api.live.replay_buffer import BufferedChange, BufferedRecord, ReplayBuffer
from api.live.subscriber import Subscriber
from api.metrics import ApiMetrics
from runtime.clock import Clock
from twin.alarms.messages import ALARMS, AlarmBatch, AlarmEvent
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.state.freshness import Freshness
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import UNSENT_KINDS, UPDATES, Update, UpdateBatch, UpdateKind

RING_BYTES_MAX = 16 * 1024 * 1024
"""An update takes about a hundred bytes: this holds 150,000 of them."""


MARKS_MAX = 120
"""Positions of the last two minutes, one a second."""


LATE_MIN: Duration = 5 * SECOND
"""From the reception of an observation to its update, when the stream works through a backlog."""

LATE_MAX: Duration = HOUR
"""Later ones are of a history that is played into the system."""

LATE_KEPT: Duration = MINUTE
"""After the last late record of a partition."""


class _LateRecord(NamedTuple):
    time: Instant  #: when it came
    received_time: Instant  #: of its first observation


class PositionMark(NamedTuple):
    """What the view had read of the log at a time: every record before the positions was written earlier."""

    time: Instant
    positions: tuple[PartitionPosition, ...]


class ChangeListener(Protocol):
    """Keeps something in step with the live view.

    The hub names what changed; the listener reads the view when it needs the values. It never waits.
    """

    def on_entities(self, ids: Iterable[str]) -> None:
        """Note that values of entities changed, or their freshness."""
        ...

    def on_alarm(self, id: str) -> None:
        """Note that an alarm changed."""
        ...

    def on_reset(self) -> None:
        """Note that anything may have changed: a new seed or another city model."""
        ...


class SnapshotValue(NamedTuple):
    """A value with its freshness at one moment."""

    update: Update
    freshness: Freshness


class AgedValue(NamedTuple):
    """A value whose freshness changed by age alone."""

    due: Instant  #: when it changed
    update: Update
    freshness: Freshness


class LiveSnapshot(NamedTuple):
    """Everything that the filter of a subscriber selects, at the step in which it joined."""

    values: list[SnapshotValue]
    alarms: list[AlarmEvent]  #: that are not normal
    cursor: Cursor


class MissedChanges(NamedTuple):
    """The changes since the cursor of a subscriber that resumes: aged values, then changes of the log."""

    #: by instant; without values that the log changed since. Behind played history derived values, too
    aged: list[AgedValue]
    changes: list[BufferedChange]
    selection: ResolvedFilter
    cursor: Cursor


class Hub:
    """Owns the live view, the replay buffer and the subscribers of this process."""

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
        self.seeded = asyncio.Event()  #: set once the view has its first state
        #: by `api.live.partition_order`
        self.positions: list[PartitionPosition] = [(0, 0)] * len(ordered_partitions(partitions))
        self.marks: deque[PositionMark] = deque(maxlen=MARKS_MAX)  #: of this log, oldest first
        self.fan_out = FanOut(metrics)
        self._clock = clock
        self._metrics = metrics
        self._buffer = ReplayBuffer(ring_events_max, ring_bytes_max)
        self._buffer.reset(self.positions)
        self._aged_until: Instant = clock()
        self._listener = listener
        self._log_readers: set[Subscriber] = set()  # that are woken when the log has changes
        # From here on the buffer has every change that the log before it does not repeat, by partition.
        self._buffered_from = [offset for offset, _ in self.positions]
        self._late: dict[int, _LateRecord] = {}  # the last record of a partition, if it came late
        # Of the present log: everything that it had at a time was applied; the newest record of `updates`.
        self._caught_up_time: Instant | None = None
        self._update_time: Instant | None = None

    @property
    def model(self) -> CityModel:
        """The city model of the view."""
        return self.view.model

    def cursor(self, *, partial: bool = False) -> Cursor:
        """Return the present position in the log."""
        received_until = min((each.received_time for each in self._late.values()), default=0)
        return Cursor(
            self.log_id, tuple(self.positions), self._aged_until, partial, received_until=received_until
        )

    # --- calls of the log follower ---

    def reset(self, log_id: str, seed: ViewSeed, offsets: Sequence[int]) -> None:
        """Replace the view by the stored state at `offsets`; every subscriber gets a gap event."""
        reason = GapReason.LOG_TRUNCATED if log_id == self.log_id else GapReason.LOG_CHANGED
        self._aged_until = self._clock()
        self.view.reset(seed, self._aged_until)
        self.alarms.reset(seed.alarms, seed.incidents)
        self.log_id = log_id
        self.seeded.set()
        self.positions = [(offset, 0) for offset in offsets]
        self.marks.clear()
        self._late.clear()
        self._caught_up_time = self._update_time = None
        self.mark_position()
        self._buffer.reset(self.positions)
        self._buffered_from = list(offsets)
        self._set_size_metrics()
        self.fan_out.lose_all(reason)
        self._wake_log_readers()
        if self._listener is not None:
            self._listener.on_reset()

    def mark_position(self) -> None:
        """Remember the position of now, once a log is followed."""
        now = self._clock()
        self._late = {index: each for index, each in self._late.items() if now - each.time < LATE_KEPT}
        if self.log_id:
            self.marks.append(PositionMark(now, tuple(self.positions)))

    def merge(self, seed: ViewSeed) -> None:
        """Add the part of the stored state that is newer than the view, and send it as changes."""
        cursor = encode_cursor(self.cursor())
        # The view knows what the log has up to here, and buffers none of it.
        order = ordered_partitions(len(self.positions) // 2)
        stored = (seed.offsets.get((each.topic, each.partition), 0) for each in order)
        self._buffered_from = list(map(max, self._buffered_from, stored))
        for value in self.view.merge(seed, self._clock()):
            self._add_state(value, cursor)
        self.fan_out.flush()
        for event in self.alarms.merge(seed.alarms, seed.incidents):
            self._add_alarm(event)
        self.fan_out.flush("alarm")
        self._set_size_metrics()
        if self._listener is not None:
            self._listener.on_reset()

    def on_progress(self, caught_up_time: Instant | None, update_time: Instant | None) -> None:
        """Note how far the log is read: everything that it had at `caught_up_time` has been applied.

        `update_time` is when the newest record of `updates` was written; None: nothing is known since the
        last call.
        """
        self._caught_up_time = _later(self._caught_up_time, caught_up_time)
        self._update_time = _later(self._update_time, update_time)

    def send_heartbeats(self, until_s: float) -> None:
        """Send a heartbeat to each subscriber whose next one is due until a time of a monotonic clock.

        It passes the queue of its subscriber behind all events before it, and has the cursor behind them.
        """
        now = self.age_values()
        self.fan_out.add_heartbeat(until_s, lambda: self._heartbeat(now))

    def _heartbeat(self, now: Instant) -> bytes:
        data = heartbeat_data(now, self._caught_up_time, self._update_time)
        return encode_event(HEARTBEAT, encode_cursor(self.cursor()), data)

    def on_updates(
        self, partition_index: int, offset: int, updates: Sequence[Update], record: bytes | None = None
    ) -> None:
        """Apply one record of `updates`; `record` is its bytes on the log, encoded here by default."""
        # Events carry the freshness of now, so their cursors must cover the ageing until now.
        now = self.age_values()
        self._note_delay(partition_index, updates, now)
        apply, add_state, model = self.view.apply, self.fan_out.add_state, self.model
        heads = None
        if self.fan_out.groups and updates:
            heads = event_heads(RecordCursors(self.cursor(), partition_index, offset, len(updates)))
        applied: list[int] = []
        known = 0
        for index, update in enumerate(updates):
            value = apply(update, now)
            if value is None:
                # An update of a household is applied, but sent to no subscriber. An amendment is history.
                known += update.kind not in UNSENT_KINDS
                continue
            applied.append(index)
            if heads is not None:
                add_state(value, heads(index), model)
        if self._listener is not None:
            self._listener.on_entities(updates[index].entity for index in applied)
        self.positions[partition_index] = offset + 1, 0
        if applied:
            data = UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(updates))) if record is None else record
            indexes = _compact(applied, len(updates))
            self._buffer.append(BufferedRecord(partition_index, offset, data, indexes, of_alarms=False))
        self._metrics.updates_applied.inc(len(updates) - known)
        self._metrics.updates_known.inc(known)
        self._set_size_metrics()
        self.fan_out.flush()
        self._wake_log_readers()

    def _note_delay(self, partition_index: int, updates: Sequence[Update], now: Instant) -> None:
        """Note whether a record of a partition came late: others received before it will come, too."""
        if updates and updates[0].kind is UpdateKind.OBSERVED:
            received_time = updates[0].received_time
            if LATE_MIN < now - received_time < LATE_MAX:
                self._late[partition_index] = _LateRecord(now, received_time)
            else:
                self._late.pop(partition_index, None)

    def on_alarms(
        self, partition_index: int, offset: int, batch: AlarmBatch, record: bytes | None = None
    ) -> None:
        """Apply one record of `alarms`; `record` as in `on_updates`."""
        # Incidents first: a client that reacts to an alarm then finds the incident of it.
        for incident in batch.incidents:
            self.alarms.apply_incident(incident)
        applied: list[int] = []
        for index, event in enumerate(batch.alarms):
            is_new = self.alarms.apply(event)
            self._metrics.alarms.labels("taken" if is_new else "known").inc()
            if is_new:
                applied.append(index)
                self.positions[partition_index] = offset, index + 1
                self._add_alarm(event)
        self.positions[partition_index] = offset + 1, 0
        if applied:
            data = ALARMS.encode(batch) if record is None else record
            self._buffer.append(BufferedRecord(partition_index, offset, data, applied, of_alarms=True))
        self._set_size_metrics()
        self.fan_out.flush("alarm")
        self._wake_log_readers()

    def set_model(self, model: CityModel) -> None:
        """Replace the city model; send values and alarms that it changes or newly selects."""
        groups = self.fan_out.groups
        before = {filter: group.selection for filter, group in groups.items()}
        changed = {id(value) for value in self.view.set_model(model, self._clock())}
        cursor = encode_cursor(self.cursor())
        for filter, group in groups.items():
            group.selection = resolve_filter(filter, model)
            for value in self.view.matching(group.selection):
                update = value.update
                if id(value) in changed or not before[filter].matches(update.entity, update.property):
                    assert value.freshness is not None  # noqa: S101 - `matching` yields shown values only
                    data = state_data(update, value.freshness, model)
                    if data is not None:
                        group.events.append(encode_event("state", cursor, data))
        self.fan_out.flush()
        for event in self.alarms.standing():
            for filter, group in groups.items():
                if group.selection.matches_alarm(event) and not before[filter].matches_alarm(event):
                    data = alarm_data(event, model)
                    if data is not None:
                        group.events.append(encode_event("alarm", cursor, data))
        self.fan_out.flush("alarm")
        if self._listener is not None:
            self._listener.on_reset()

    def age_values(self) -> Instant:
        """Send every value that aged since the last call; return until when ageing is sent: now."""
        now = self._clock()
        if now <= self._aged_until:
            return self._aged_until
        aged = self.view.age_values(now)
        positions = ageing_positions([due for due, _ in aged], self._aged_until)
        for (_, value), until in zip(aged, positions, strict=True):
            self._aged_until = until
            self._add_state(value, encode_cursor(self.cursor()))
        self._aged_until = now
        if aged:
            self.fan_out.flush()
        return now

    # --- calls of subscribers ---

    def join(self, subscriber: Subscriber) -> LiveSnapshot:
        """Start sending changes to a subscriber, and return the state before the first of them."""
        self.age_values()
        return self.snapshot(self.fan_out.join(subscriber, self.model).selection)

    def snapshot(self, selection: ResolvedFilter) -> LiveSnapshot:
        """Return the present state that a filter selects, in the order of its keys."""
        values = [
            SnapshotValue(value.update, value.freshness)
            for value in self.view.matching(selection)
            if value.freshness is not None
        ]
        values.sort(key=lambda value: (value.update.entity, value.update.property))
        alarms = [event for event in self.alarms.standing() if selection.matches_alarm(event)]
        alarms.sort(key=lambda event: event.alarm)
        return LiveSnapshot(values, alarms, self.cursor())

    def resume(self, subscriber: Subscriber, cursor: Cursor) -> MissedChanges | None:
        """Start sending changes to a subscriber, and return those since its cursor.

        None when the replay buffer does not reach back to the cursor: nothing is started then.
        """
        self.age_values()
        changes = self._buffer.since(cursor.positions)
        if changes is None:
            return None
        selection = self.fan_out.join(subscriber, self.model).selection
        changes = [each for each in changes if selection.matches_change(each.change)]
        changed = {
            (each.change.entity, each.change.property) for each in changes if isinstance(each.change, Update)
        }
        aged = [
            AgedValue(due, value.update, value.freshness)
            for value in self.view.matching(selection)
            if value.freshness is not None
            and (value.update.entity, value.update.property) not in changed
            and (due := self._due_since(value, cursor)) is not None
        ]
        aged.sort(key=lambda value: value.due)
        return MissedChanges(aged, changes, selection, self.cursor())

    def _due_since(self, value: LiveValue, cursor: Cursor) -> Instant | None:
        """Return when a value changed since a cursor without a change of the log; None when it did not."""
        if value.update.kind is UpdateKind.INDICATOR and cursor.aged_until < cursor.played_until:
            return cursor.played_until  # Derived values are not played: the newest of each comes behind.
        return self.view.aged_at(value, cursor.aged_until, self._aged_until)

    def leave(self, subscriber: Subscriber) -> None:
        """Stop sending changes to a subscriber."""
        self.fan_out.leave(subscriber)
        self._log_readers.discard(subscriber)

    def wake_on_changes(self, subscriber: Subscriber) -> None:
        """Wake a subscriber, which reads the log itself, after each record, until it leaves."""
        self._log_readers.add(subscriber)

    def records_since(self, offsets: Sequence[int]) -> list[BufferedRecord] | None:
        """Return the buffered records from an offset of each partition on; None for older ones."""
        if any(offset < first for offset, first in zip(offsets, self._buffered_from, strict=True)):
            return None
        return self._buffer.records_since(offsets)

    def _wake_log_readers(self) -> None:
        for reader in self._log_readers:
            reader.wake()

    def has_reached(self, cursor: Cursor) -> bool:
        """Whether the view is at least as far as a cursor."""
        return all(here >= there for here, there in zip(self.positions, cursor.positions, strict=True))

    def _add_state(self, value: LiveValue, cursor: str) -> None:
        if self._listener is not None:
            self._listener.on_entities((value.update.entity,))
        self.fan_out.add_state(value, event_head(cursor), self.model)

    def _add_alarm(self, event: AlarmEvent) -> None:
        if self._listener is not None:
            self._listener.on_alarm(event.alarm)
        if self.fan_out.groups:
            self.fan_out.add_alarm(event, encode_cursor(self.cursor()), self.model)

    def _set_size_metrics(self) -> None:
        self._metrics.view_size.set(len(self.view))
        self._metrics.view_alarms.set(len(self.alarms))


def _later(known: Instant | None, found: Instant | None) -> Instant | None:
    if known is None or found is None:
        return found if known is None else known
    return max(known, found)


def _compact(indexes: Sequence[int], count: int) -> Sequence[int]:
    """Return indexes, as a range where they are all of `count`: a range takes no memory per index."""
    return range(count) if len(indexes) == count else indexes
