"""A received MQTT message, its time of reception, and what a replayed recording says about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from paho.mqtt.client import MQTTMessage

from twin.instant import SECOND, Duration, Instant, parse_instant

REPLAY_TIME_PROPERTY = "livetwin-replay-time"
"""User property of a replayed message: its time of reception in the recording, ISO 8601 with an offset."""

REPLAY_RANK_PROPERTY = "livetwin-replay-rank"
"""User property of a replayed message: `twin.model.observation.Observation.rank`, as a decimal number."""

REPLAY_ANY_AGE_PROPERTY = "livetwin-replay-any-age"
"""User property of a replayed message: with the value `true`, its observations may have any age."""

CLOCK_SET_BACK_MIN: Duration = SECOND
"""A clock that is behind the last reception by this much was set back, and is followed."""

MESSAGE_OVERHEAD_BYTES = 256
"""Memory of a message beside topic and payload; it makes a flood of empty messages count."""


# An instant in microseconds has 16 digits; 18 are within 64 bits.
_RANK_DIGITS_MAX = 18


class MqttMessage(msgspec.Struct, frozen=True, gc=False):
    """A received message; `connection` and `packet_id` identify it for its acknowledgement."""

    topic: str
    payload: bytes
    received_time: Instant
    qos: int
    packet_id: int
    connection: int
    rank: int = 0  #: of its observations
    any_age: bool = False  #: whether an operator lets its observations have any age
    retained: bool = False  #: the broker kept it since before the subscription; when it was sent is unknown


class ReplayedReception(NamedTuple):
    """When a message was received, and what a replay says about it."""

    time: Instant
    rank: int = 0
    any_age: bool = False


class ReceptionTimes:
    """Gives each message of a session a time of reception of its own, in the order of their arrival.

    So of two values of one key, the one in the later message became known later.
    """

    def __init__(self) -> None:
        self._last: Instant = 0

    def first_of(self, count: int, now: Instant) -> Instant:
        """Return the time of the first of `count` messages; each one after it is a microsecond later.

        The last of them is at `now`, as far as the messages before them allow.
        """
        first = now - count + 1
        if first <= self._last < now + CLOCK_SET_BACK_MIN:
            first = self._last + 1
        self._last = first + count - 1
        return first


def memory_bytes(messages: Sequence[MqttMessage]) -> int:
    """Return the approximate memory of messages, in bytes."""
    return MESSAGE_OVERHEAD_BYTES * len(messages) + sum(
        [len(one.payload) + len(one.topic) for one in messages]
    )


def replayed_reception(user_properties: Iterable[tuple[str, str]], now: Instant) -> ReplayedReception:
    """Return the reception of a message that may be replayed, and arrived at `now`.

    An unreadable time counts as none, and a future time as `now`; an unreadable rank as one of `now`, the
    time of the play.
    """
    values = dict(user_properties)
    any_age = values.get(REPLAY_ANY_AGE_PROPERTY) == "true"
    text = values.get(REPLAY_TIME_PROPERTY)
    if text is None:
        return ReplayedReception(now, 0, any_age)
    try:
        time = min(parse_instant(text), now)
    except (ValueError, OverflowError):
        return ReplayedReception(now, 0, any_age)
    rank = values.get(REPLAY_RANK_PROPERTY, "")
    if rank.isascii() and rank.isdecimal() and len(rank) <= _RANK_DIGITS_MAX:
        return ReplayedReception(time, min(int(rank), now), any_age)
    return ReplayedReception(time, now, any_age)


def topic_text(received: MQTTMessage) -> str:
    """Return the topic as text; it may contain invalid UTF-8, since a broker need not check it."""
    try:
        return received.topic
    except UnicodeDecodeError:
        return bytes(received._topic).decode("utf-8", "backslashreplace")
