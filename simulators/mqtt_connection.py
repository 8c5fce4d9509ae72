"""An MQTT connection that many devices share, with a bound on what is not acknowledged."""

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
from simulators.settings import SimulatorSettings
from twin.errors import ServiceError

log = logging.getLogger(__name__)

RECONNECT_DELAY_S_MIN = 1
RECONNECT_DELAY_S_MAX = 15
_QOS = 1
_NO_SUBSCRIBER = 0x10  # MQTT 5, 3.4.2.1


class DeviceConnection:
    """Publishes with QoS 1.

    paho's thread keeps the connection and sends again what was not acknowledged when it broke. `publish`
    waits while `in_flight_max` messages are unacknowledged, so paho's own queue stays as short. Devices speak
    MQTT 3.1.1; what needs properties asks for version 5, in which the broker may also refuse a message.
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
        self._room = asyncio.Semaphore(settings.in_flight_max)
        self.connected = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self.sent = 0
        self.acknowledged = 0
        self.refused = 0
        self.without_subscriber = 0
        # No client id: the broker gives each connection its own, so any number of cities may speak to it.
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
        """How many messages were sent and not confirmed by the broker."""
        return self.sent - self.acknowledged

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost, until `stop`."""
        broker = self._broker
        self._client.connect_async(broker.host, broker.port, self._settings.mqtt_keepalive_s)
        self._client.loop_start()

    async def publish(self, topic: str, payload: bytes, properties: Properties | None = None) -> None:
        """Hand a message to paho; wait while too many are unacknowledged.

        Raises ServiceError when paho refuses it, which a broker that is away is no reason for.
        """
        await self._room.acquire()
        info = self._client.publish(topic, payload, qos=_QOS, properties=properties)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self._room.release()
            raise ServiceError(f"MQTT at {self._name} refused a message to {topic}: {info.rc!r}")
        self.sent += 1
        self._settled.clear()

    async def wait_acknowledged(self, timeout_s: float) -> bool:
        """Wait for outstanding acknowledgements, at most so long; return whether all came."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        return not self.unacknowledged

    async def stop(self, timeout_s: float) -> None:
        """Wait for outstanding acknowledgements, at most so long, then disconnect."""
        await self.wait_acknowledged(timeout_s)
        self._client.disconnect()
        # Joins paho's thread, which looks up from its socket once a second.
        await asyncio.to_thread(self._client.loop_stop)

    def _call(self, function: Any, *arguments: Any) -> None:
        # paho's thread may outlive the loop by a moment.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_connect(
        self, client: Client, data: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            log.error("MQTT at %s refuses the connection: %s; check user name and password", self._name, code)
            return
        log.info("connected to MQTT at %s", self._name)
        self._call(self._welcome, getattr(properties, "ReceiveMaximum", None))

    def _welcome(self, receive_max: int | None) -> None:
        # A broker that speaks version 5 may want fewer, and disconnects who does not heed it.
        if receive_max is not None and not self.sent:
            self._room = asyncio.Semaphore(min(receive_max, self._settings.in_flight_max))
        self.connected.set()

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        log.warning("no MQTT broker at %s (%s); trying again", self._name, connect_error())

    def _on_disconnect(
        self,
        client: Client,
        data: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            log.warning("lost MQTT at %s (%s); connecting again", self._name, code)
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
            self._settled.set()
        self._room.release()
