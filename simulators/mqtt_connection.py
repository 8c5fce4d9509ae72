"""An MQTT connection that many devices share, with a bound on unacknowledged messages."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from runtime.mqtt.access import connect_error
from runtime.mqtt.client import stop_client
from simulators.settings import SimulatorSettings
from twin.errors import ServiceError

log = logging.getLogger(__name__)

RECONNECT_DELAY_S_MIN = 1
RECONNECT_DELAY_S_MAX = 15
_QOS = 1
_NO_SUBSCRIBER = 0x10  # MQTT 5, 3.4.2.1


class DeviceConnection:
    """Publishes messages with QoS 1.

    paho's thread keeps the connection, and resends unacknowledged messages after a reconnect. `publish` waits
    while `in_flight_max` messages are unacknowledged, which also bounds paho's queue. Devices use MQTT 3.1.1.
    Message properties need MQTT 5, in which the broker can also refuse a message.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        number: int,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        self._settings = settings
        self._broker = settings.mqtt_access()
        self._name = f"{self._broker.address}, connection {number}"
        self._loop = asyncio.get_running_loop()
        self._in_flight = asyncio.Semaphore(settings.in_flight_max)
        self.connected = asyncio.Event()
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()
        self.sent = 0
        self.acknowledged = 0
        self.refused = 0
        self.without_subscriber = 0
        # Without a client id the broker assigns one, so any number of cities can connect to it.
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="",
            clean_session=None if protocol is MQTTProtocolVersion.MQTTv5 else True,
            protocol=protocol,
        )
        self._broker.configure_client(client)
        client.max_inflight_messages_set(settings.in_flight_max)
        client.reconnect_delay_set(RECONNECT_DELAY_S_MIN, RECONNECT_DELAY_S_MAX)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish

    @property
    def unacknowledged(self) -> int:
        """The number of messages that the broker has not acknowledged."""
        return self.sent - self.acknowledged

    def start(self) -> None:
        """Connect, and reconnect whenever the connection is lost, until `stop`."""
        broker = self._broker
        self._client.connect_async(broker.host, broker.port, self._settings.mqtt_keepalive_s)
        self._client.loop_start()

    async def publish(self, topic: str, payload: bytes, properties: Properties | None = None) -> None:
        """Queue a message in paho; wait while too many messages are unacknowledged.

        Raises ServiceError when paho rejects it; paho accepts messages while the broker is unavailable.
        """
        await self._in_flight.acquire()
        info = self._client.publish(topic, payload, qos=_QOS, properties=properties)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self._in_flight.release()
            raise ServiceError(f"paho rejected a message to {topic} for {self._name}: {info.rc!r}")
        self.sent += 1
        self._all_acknowledged.clear()

    async def wait_acknowledged(self, timeout_s: float) -> bool:
        """Wait for outstanding acknowledgements up to a timeout; return whether all have arrived."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_acknowledged.wait(), timeout_s)
        return not self.unacknowledged

    async def stop(self, timeout_s: float) -> None:
        """Wait for outstanding acknowledgements up to a timeout, then disconnect."""
        await self.wait_acknowledged(timeout_s)
        self._client.disconnect()
        # Joins paho's thread, which checks for its end once a second.
        await asyncio.to_thread(stop_client, self._client)

    def _call(self, function: Any, *arguments: Any) -> None:
        # paho's thread may run a little longer than the loop.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_connect(
        self, client: Client, data: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            log.error(
                "the MQTT broker at %s refuses the connection: %s; check user name and password",
                self._name,
                code,
                extra={"event": "simulate.mqtt_refused"},
            )
            return
        log.info("connected to MQTT at %s", self._name, extra={"event": "simulate.mqtt_connected"})
        self._call(self._on_accepted, getattr(properties, "ReceiveMaximum", None))

    def _on_accepted(self, receive_max: int | None) -> None:
        # An MQTT 5 broker may set a lower limit, and disconnects clients that exceed it.
        if receive_max is not None and not self.sent:
            self._in_flight = asyncio.Semaphore(min(receive_max, self._settings.in_flight_max))
        self.connected.set()

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        log.warning(
            "no MQTT broker at %s (%s); retrying",
            self._name,
            connect_error(),
            extra={"event": "simulate.mqtt_unreachable"},
        )

    def _on_disconnect(
        self,
        client: Client,
        data: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            log.warning(
                "lost the MQTT connection to %s (%s); reconnecting",
                self._name,
                code,
                extra={"event": "simulate.mqtt_lost"},
            )
        self._call(self.connected.clear)

    def _on_publish(
        self, client: Client, data: Any, packet: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._call(self._acknowledge, code)

    def _acknowledge(self, code: ReasonCode) -> None:
        self.acknowledged += 1
        self.refused += code.is_failure
        self.without_subscriber += code.value == _NO_SUBSCRIBER
        if not self.unacknowledged:
            self._all_acknowledged.set()
        self._in_flight.release()
