"""Subscribes to topics of a broker and collects every message, retained ones included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from runtime.mqtt.client import stop_client
from tests.support.waiting import wait_until


class ReceivedMessage(NamedTuple):
    """A message as it was received."""

    topic: str
    content: Any  #: None for an empty payload
    retained: bool  #: whether the broker had retained it


class TopicSubscriber:
    """The messages received since the subscription was made."""

    def __init__(self) -> None:
        self.messages: list[ReceivedMessage] = []

    def on_topic(self, topic: str) -> list[ReceivedMessage]:
        return [one for one in self.messages if one.topic == topic]


@contextmanager
def follow_topics(broker: tuple[str, int], *filters: str) -> Iterator[TopicSubscriber]:
    """Subscribe to topics; the retained messages come first."""
    watcher = TopicSubscriber()
    subscribed: list[bool] = []

    def receive(_client: Client, _data: object, message: MQTTMessage) -> None:
        content = json.loads(message.payload) if message.payload else None
        watcher.messages.append(ReceivedMessage(message.topic, content, message.retain))

    client = Client(CallbackAPIVersion.VERSION2)

    def subscribe(*_: Any) -> None:
        client.subscribe([(one, 1) for one in filters])

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.on_message = receive
    client.connect(*broker)
    client.loop_start()
    try:
        wait_until(lambda: bool(subscribed), lambda: "no subscription")
        yield watcher
    finally:
        client.disconnect()
        stop_client(client)
