"""A message as MQTT delivered it, and the time of reception that a replayed one brings along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from paho.mqtt.client import MQTTMessage

from twin.instant import Instant, parse_instant

REPLAY_TIME_PROPERTY = "livetwin-replay-time"
"""User property of a replayed message: the recording's own clock, ISO 8601 with an offset."""

MESSAGE_OVERHEAD_BYTES = 256
"""Of a message beside its topic and its payload: without it a flood of empty messages would be none."""


class MqttMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as received; `connection` and `packet_id` are needed to acknowledge it."""

    topic: str
    payload: bytes
    received_time: Instant
    qos: int
    packet_id: int
    connection: int


def memory_bytes(messages: Sequence[MqttMessage]) -> int:
    """Return how many bytes of memory messages take, about."""
    return MESSAGE_OVERHEAD_BYTES * len(messages) + sum(
        [len(one.payload) + len(one.topic) for one in messages]
    )


def replay_time(user_properties: Iterable[tuple[str, str]], now: Instant) -> Instant:
    """Return the time of reception that a replayed message brings along; `now` where it brings none.

    A time that cannot be read counts as none, and one from the future is now.
    """
    for name, value in user_properties:
        if name == REPLAY_TIME_PROPERTY:
            try:
                return min(parse_instant(value), now)
            except (ValueError, OverflowError):
                return now
    return now


def topic_text(received: MQTTMessage) -> str:
    """Return the topic; paho decodes strictly, and a broker need not have checked."""
    try:
        return received.topic
    except UnicodeDecodeError:
        return bytes(received._topic).decode("utf-8", "backslashreplace")
