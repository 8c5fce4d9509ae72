"""The storm limit: which waiting messages a recipient gets now, alone or together as a digest. Pure.

A recipient gets a bounded number of messages in a time. Those beyond it wait, at most until the digest is due
that contains all of them. A message that is worse than everything that the recipient got does not wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerting.messages.outgoing_message import OutgoingMessage
from twin.alarms.severity import Severity
from twin.instant import Duration, Instant
from twin.model.duty import StormLimit


class DeliveredMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message that a recipient has got, may have got, or is about to get."""

    id: str
    time: Instant
    severity: Severity


class RecipientTraffic(msgspec.Struct, frozen=True):
    """What a recipient got lately. Stored in the journal."""

    delivered: tuple[DeliveredMessage, ...] = ()  #: in order of time

    def since(self, time: Instant) -> tuple[DeliveredMessage, ...]:
        """Return what was delivered after a time."""
        return tuple(one for one in self.delivered if one.time > time)

    def with_message(self, message: OutgoingMessage, now: Instant, within: Duration) -> RecipientTraffic:
        """Return the traffic with another message, without what is too old to matter."""
        added = DeliveredMessage(message.id, now, message.text.severity)
        kept = (one for one in self.since(now - within) if one.id != message.id)
        return RecipientTraffic(tuple(sorted((*kept, added), key=lambda one: one.time)))

    def without(self, id: str) -> RecipientTraffic:
        """Return the traffic without a message that certainly did not arrive."""
        return RecipientTraffic(tuple(one for one in self.delivered if one.id != id))


def hold_time(limit: StormLimit, pause: Duration | None) -> Duration:
    """Return how long a message may wait for a digest, when the next step follows after a pause.

    >>> from twin.instant import MINUTE, SECOND
    >>> [hold_time(StormLimit(), pause) // SECOND for pause in (None, 10 * MINUTE, 10 * SECOND)]
    [120, 120, 5]
    """
    return limit.digest if pause is None else min(limit.digest, max(0, pause) // 2)


def divide_due(
    waiting: Iterable[OutgoingMessage],
    traffic: RecipientTraffic,
    limit: StormLimit,
    areas: Mapping[str, str],
    now: Instant,
) -> list[list[OutgoingMessage]]:
    """Return what a recipient gets now, in parts: each is one message, or several that become a digest.

    `areas` are the areas of incidents. The worst messages are first, of those the oldest.
    """
    due = sorted((one for one in waiting if one.due <= now), key=delivery_priority)
    groups = _grouped(due, limit, areas)
    if not limit.messages:
        return groups
    recent = traffic.since(now - limit.within)
    free = limit.messages - len(recent)
    worst = max((one.severity for one in recent), default=Severity.CLEARED)
    parts: list[list[OutgoingMessage]] = []
    held: list[OutgoingMessage] = []
    for group in groups:
        severity = group[0].text.severity
        if free > 0 or severity > worst or _never_waits(group[0]):
            parts.append(group)
            free -= 1
            worst = max(worst, severity)
        else:
            held += group
    if held and min(_latest(one) for one in held) <= now:
        parts.append(held)
    return parts


def next_delivery(
    waiting: Sequence[OutgoingMessage], traffic: RecipientTraffic, limit: StormLimit
) -> Instant | None:
    """Return the first time at which `divide_due` returns something; None without messages."""
    if not waiting:
        return None
    first = min(one.due for one in waiting)
    if not limit.messages or len(traffic.since(first - limit.within)) < limit.messages:
        return first
    times = [_latest(one) for one in waiting]
    times.append(traffic.delivered[-limit.messages].time + limit.within)
    times += [one.due for one in waiting if _never_waits(one) or _is_worse(one, traffic, limit)]
    return max(first, min(times))


def _never_waits(message: OutgoingMessage) -> bool:
    """Whether a message is sent alone and at once: whoever begins their duty reads first what is open."""
    return message.request.kind == "hand-over"


def _is_worse(message: OutgoingMessage, traffic: RecipientTraffic, limit: StormLimit) -> bool:
    recent = traffic.since(message.due - limit.within)
    return all(message.text.severity > one.severity for one in recent)


def _latest(message: OutgoingMessage) -> Instant:
    return max(message.due, message.held_until)


def delivery_priority(message: OutgoingMessage) -> tuple[int, Instant, str]:
    """Return the sort key by which the worst message is first, of those the oldest."""
    return -message.text.severity, message.due, message.id


def _grouped(
    messages: Iterable[OutgoingMessage], limit: StormLimit, areas: Mapping[str, str]
) -> list[list[OutgoingMessage]]:
    groups: dict[str, list[OutgoingMessage]] = {}
    for message in messages:
        incident = message.request.incident
        match limit.group:
            case "area" if not _never_waits(message):
                key = areas.get(incident, incident)
            case "all" if not _never_waits(message):
                key = ""
            case _:
                key = message.id
        groups.setdefault(key, []).append(message)
    return list(groups.values())
