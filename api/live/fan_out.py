"""The fan-out: who asks for what, and the events on their way to them. Each event is written once for all."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.entities.selection import EntityFilter, ResolvedFilter, resolve_filter
from api.live.alarm_events import alarm_data
from api.live.events import EventHead, EventName, GapReason, constant_parts, encode_event, encode_state_event
from api.live.live_view import LiveValue
from api.live.subscriber import Subscriber
from api.metrics import ApiMetrics
from twin.alarms.messages import AlarmEvent
from twin.model.city_model import CityModel


@dataclass(slots=True, eq=False)
class SubscriberGroup:
    """The subscribers that ask for the same."""

    selection: ResolvedFilter
    members: set[Subscriber] = field(default_factory=set)
    events: list[bytes] = field(default_factory=list)  #: that `flush` offers


class FanOut:
    """The groups of one process; owned by the hub."""

    def __init__(self, metrics: ApiMetrics) -> None:
        self.groups: dict[EntityFilter, SubscriberGroup] = {}
        self.last_notified: Subscriber | None = None  #: one of those that were told something last
        self._metrics = metrics

    def join(self, subscriber: Subscriber, model: CityModel) -> SubscriberGroup:
        """Begin to tell a subscriber what it asks for; return its group."""
        subscriber.reset()
        group = self.groups.get(subscriber.filter)
        if group is None:
            group = self.groups[subscriber.filter] = SubscriberGroup(resolve_filter(subscriber.filter, model))
        group.members.add(subscriber)
        return group

    def leave(self, subscriber: Subscriber) -> None:
        """Tell a subscriber nothing more."""
        group = self.groups.get(subscriber.filter)
        if group is not None:
            group.members.discard(subscriber)
            if not group.members:
                del self.groups[subscriber.filter]

    def lose_all(self, reason: GapReason) -> None:
        """Tell nobody anything more: all need a snapshot."""
        groups, self.groups = self.groups, {}
        for group in groups.values():
            for member in group.members:
                member.lose(reason)

    def add_state(self, value: LiveValue, head: EventHead, model: CityModel) -> None:
        """Add the event that tells a value to each group that asks for it."""
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
        """Add the event of an alarm to each group that asks for it."""
        asking = [one for one in self.groups.values() if one.selection.matches_alarm(alarm)]
        data = alarm_data(alarm, model) if asking else None
        if data is not None:
            event = encode_event("alarm", cursor, data)
            for group in asking:
                group.events.append(event)

    def flush(self, name: EventName = "state") -> None:
        """Offer what was added, and lose those that cannot take it."""
        for group in [one for one in self.groups.values() if one.events]:
            chunk = b"".join(group.events)
            self._metrics.events.labels(name).inc(len(group.events) * len(group.members))
            group.events.clear()
            self.last_notified = next(iter(group.members), self.last_notified)
            for member in [one for one in group.members if not one.offer(chunk)]:
                self.leave(member)
