"""A received MQTT message, and the time of reception that a replayed recording gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from paho.mqtt.client import MQTTMessage

from twin.instant import Instant, parse_instant

REPLAY_TIME_PROPERTY = "livetwin-replay-time"
"""User property of a replayed message: its time of reception in the recording, ISO 8601 with an offset."""

MESSAGE_OVERHEAD_BYTES = 256
"""Memory of a message beside topic and payload; it makes a flood of empty messages count."""


class MqttMessage(msgspec.Struct, frozen=True, gc=False):
    """A received message; `connection` and `packet_id` identify it for its acknowledgement."""

    topic: str
    payload: bytes
    received_time: Instant
    qos: int
    packet_id: int
    connection: int


def memory_bytes(messages: Sequence[MqttMessage]) -> int:
    """Return the approximate memory of messages, in bytes."""
    return MESSAGE_OVERHEAD_BYTES * len(messages) + sum(
        [len(one.payload) + len(one.topic) for one in messages]
    )


def replay_time(user_properties: Iterable[tuple[str, str]], now: Instant) -> Instant:
    """Return the time of reception that a replayed message gives, or `now` when it gives none.

    An unreadable time counts as none, and a future time as `now`.
    """
    for name, value in user_properties:
        if name == REPLAY_TIME_PROPERTY:
            try:
                return min(parse_instant(value), now)
            except (ValueError, OverflowError):
                return now
    return now


def topic_text(received: MQTTMessage) -> str:
    """Return the topic as text; it may contain invalid UTF-8, since a broker need not check it."""
    try:
        return received.topic
    except UnicodeDecodeError:
        return bytes(received._topic).decode("utf-8", "backslashreplace")
