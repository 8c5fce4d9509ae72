"""Publishes as a device does: with QoS 1, until the broker has acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from runtime.mqtt.client import stop_client

ANSWER_TIMEOUT_S = 30.0


def publish(
    address: tuple[str, int],
    messages: Iterable[tuple[str, bytes | str]],
    qos: int = 1,
    *,
    retain: bool = False,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> None:
    """Publish messages in order over one connection; return when all are acknowledged (QoS 1) or sent (0)."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(200)
    client.max_queued_messages_set(0)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect(*address)
    client.loop_start()
    try:
        # A socket that closes with an unread answer resets the connection, and sent data is lost.
        # With QoS 0 the answer to CONNECT is the only one.
        assert connected.wait(timeout_s)
        for sent in [client.publish(topic, payload, qos=qos, retain=retain) for topic, payload in messages]:
            sent.wait_for_publish(timeout_s)
            assert sent.is_published()
    finally:
        client.disconnect()
        stop_client(client)
