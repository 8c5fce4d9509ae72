"""The sender of probes: the observations of a synthetic sensor, sent over MQTT."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from runtime.mqtt.access import MqttAccess, connect_error
from runtime.mqtt.client import stop_client
from twin.instant import Instant, format_instant
from twin.wire.probe import PROBE_PROPERTY, probe_topic

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
RECONNECT_S_MAX = 15


class MqttProber:
    """A connection to the broker, which reconnects by itself. A probe that cannot be sent is dropped."""

    def __init__(self, broker: MqttAccess, city: str) -> None:
        self._topic = probe_topic(city)
        self._broker = broker
        self._client = client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        broker.configure_client(client)
        client.reconnect_delay_set(1, RECONNECT_S_MAX)
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect

    def start(self) -> None:
        """Connect, in a thread of paho."""
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        self._client.loop_start()

    def send(self, now: Instant) -> bool:
        """Send a probe; return False without a connection."""
        if not self._client.is_connected():
            return False
        payload = msgspec.json.encode({"time": format_instant(now), "values": {PROBE_PROPERTY: 1}})
        self._client.publish(self._topic, payload, qos=1)
        return True

    def stop(self) -> None:
        """Disconnect, and wait for paho's thread, which checks once a second."""
        self._client.disconnect()
        stop_client(self._client)

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        log.warning(
            "cannot connect to the MQTT broker at %s (%s): no probes are sent",
            self._broker.address,
            connect_error(),
            extra={"event": "alerting.prober_disconnected"},
        )

    def _on_disconnect(self, client: Client, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            log.warning(
                "lost the connection to the MQTT broker (%s): no probes are sent",
                code,
                extra={"event": "alerting.prober_disconnected"},
            )
