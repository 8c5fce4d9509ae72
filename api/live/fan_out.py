"""Fan-out of events to groups of subscribers with the same filter; each event is encoded once for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from api.entities.selection import EntityFilter, ResolvedFilter, resolve_filter
from api.live.alarm_events import alarm_data
from api.live.events import (
    HEARTBEAT,
    EventHead,
    EventName,
    constant_parts,
    encode_event,
    encode_state_event,
)
from api.live.live_view import LiveValue
from api.live.models import GapReason
from api.live.subscriber import Subscriber
from api.metrics import ApiMetrics
from twin.alarms.messages import AlarmEvent
from twin.model.city_model import CityModel


@dataclass(slots=True, eq=False)
class SubscriberGroup:
    """The subscribers with one filter."""

    selection: ResolvedFilter
    members: set[Subscriber] = field(default_factory=set)
    events: list[bytes] = field(default_factory=list)  #: that the next `flush` sends


class FanOut:
    """The groups of one process; owned by the hub."""

    def __init__(self, metrics: ApiMetrics) -> None:
        self.groups: dict[EntityFilter, SubscriberGroup] = {}
        self.last_notified: Subscriber | None = None  #: a subscriber that the last flush sent events to
        self._metrics = metrics
        self._heartbeats: set[Subscriber] = set()  # that get heartbeats

    def join(self, subscriber: Subscriber, model: CityModel) -> SubscriberGroup:
        """Start sending a subscriber the events that its filter selects; return its group."""
        subscriber.reset()
        group = self.groups.get(subscriber.filter)
        if group is None:
            group = self.groups[subscriber.filter] = SubscriberGroup(resolve_filter(subscriber.filter, model))
        group.members.add(subscriber)
        if subscriber.heartbeat_s is not None:
            self._heartbeats.add(subscriber)
            subscriber.heartbeat_due_s = 0.0
        return group

    def leave(self, subscriber: Subscriber) -> None:
        """Stop sending events to a subscriber."""
        self._heartbeats.discard(subscriber)
        group = self.groups.get(subscriber.filter)
        if group is not None:
            group.members.discard(subscriber)
            if not group.members:
                del self.groups[subscriber.filter]

    def lose_all(self, reason: GapReason) -> None:
        """Drop all subscribers: each needs a new snapshot."""
        groups, self.groups = self.groups, {}
        self._heartbeats.clear()
        for group in groups.values():
            for member in group.members:
                member.lose(reason)

    def add_state(self, value: LiveValue, head: EventHead, model: CityModel) -> None:
        """Add the event of a value to each group whose filter selects it."""
        update, freshness = value.update, value.freshness
        if freshness is None:
            return
        event: bytes | None = None
        for group in self.groups.values():
            if group.selection.matches(update.entity, update.property):
                if event is None:
                    parts = value.constant_parts
                    if parts is None:
                        parts = value.constant_parts = constant_parts(update, model)
                        if parts is None:
                            return
                    event = encode_state_event(head, parts, update, freshness, model)
                group.events.append(event)

    def add_alarm(self, alarm: AlarmEvent, cursor: str, model: CityModel) -> None:
        """Add the event of an alarm to each group whose filter selects it."""
        groups = [group for group in self.groups.values() if group.selection.matches_alarm(alarm)]
        data = alarm_data(alarm, model) if groups else None
        if data is not None:
            event = encode_event("alarm", cursor, data)
            for group in groups:
                group.events.append(event)

    def add_heartbeat(self, until_s: float, encode: Callable[[], bytes]) -> None:
        """Queue a heartbeat, encoded once, for each subscriber whose next one is due until a time."""
        due = [each for each in self._heartbeats if each.heartbeat_due_s <= until_s]
        if not due:
            return
        event = encode()
        self._metrics.events.labels(HEARTBEAT).inc(len(due))
        for each in due:
            each.heartbeat_due_s = until_s + (each.heartbeat_s or 0.0)
            if not each.offer(event):
                self.leave(each)

    def flush(self, name: EventName = "state") -> None:
        """Queue the added events for the members of each group; drop members whose queue is full."""
        for group in [group for group in self.groups.values() if group.events]:
            chunk = b"".join(group.events)
            self._metrics.events.labels(name).inc(len(group.events) * len(group.members))
            group.events.clear()
            self.last_notified = next(iter(group.members), self.last_notified)
            for member in [member for member in group.members if not member.offer(chunk)]:
                self.leave(member)
