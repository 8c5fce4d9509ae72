"""The MQTT broker as an outlet uses it: messages out, each confirmed, and a look at what it retains."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from twin.errors import ServiceError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
RETAINED_TIMEOUT_S = 30.0
IN_FLIGHT_MAX = 100
"""Messages that are not confirmed yet; the broker may want fewer."""

_NO_SUBSCRIBER = 0x10  # MQTT 5, 3.4.2.1


class BrokerLostError(ServiceError):
    """The broker is not reached, or not any more, or it refuses what an outlet needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """Where to connect, and as whom."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 60

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.host}:{self.port}"


def digest(payload: bytes) -> bytes:
    """Return what a payload is known again by."""
    return hashlib.blake2b(payload, digest_size=16).digest()


@asynccontextmanager
async def connected(options: BrokerOptions) -> AsyncIterator[Broker]:
    """Be connected once, without a session that outlives it. Raises BrokerLostError when that fails."""
    broker = Broker(options)
    try:
        await broker.connect()
        yield broker
    finally:
        await broker.close()


class Broker:
    """One connection. What was not confirmed when it is lost is for whoever sent it to send again."""

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._welcome: asyncio.Future[int] = self._loop.create_future()  #: messages the broker wants at once
        self._lost: asyncio.Future[str] = self._loop.create_future()  #: why the connection ended
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._unconfirmed: dict[int, str] = {}  #: topic of each packet
        self._refused: set[str] = set()
        self._settled = asyncio.Event()
        self._settled.set()
        self._retained: dict[str, bytes] = {}
        self._marker = ""
        self._seen = asyncio.Event()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if options.tls is not None:
            client.tls_set_context(options.tls)
        client.max_inflight_messages_set(IN_FLIGHT_MAX)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    async def connect(self) -> None:
        """Connect. Raises BrokerLostError."""
        place = self._options.place
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.to_thread(
                    self._client.connect, self._options.host, self._options.port, self._options.keepalive_s
                )
                self._client.loop_start()
                await self._unless_lost(self._welcome)
        except (OSError, TimeoutError) as error:
            raise BrokerLostError(f"no MQTT broker answers at {place} ({error!r})") from error
        self._room = asyncio.Semaphore(min(IN_FLIGHT_MAX, self._welcome.result()))

    async def close(self) -> None:
        """Disconnect; what is not confirmed may be lost."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._lost.cancel()
        self._welcome.cancel()

    async def until_lost(self) -> str:
        """Return why, once the connection has ended."""
        return await asyncio.shield(self._lost)

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Send a message with QoS 1; wait while too many are not confirmed. Raises BrokerLostError."""
        if self._room.locked():
            await self._unless_lost(self._loop.create_task(self._room.acquire()))
        else:
            await self._room.acquire()  # at once: there is room
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        if sent.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerLostError(f"MQTT at {self._options.place} took no message to {topic}: {sent.rc.name}")
        self._unconfirmed[sent.mid] = topic
        self._settled.clear()

    async def settle(self) -> None:
        """Return when everything that was sent is confirmed. Raises BrokerLostError."""
        await self._unless_lost(self._loop.create_task(self._settled.wait()))

    async def retained(self, filters: Iterable[str], marker_topic: str) -> dict[str, bytes]:
        """Return the digest of each message that the broker retains under the filters, by topic.

        It hands them over when it is asked to subscribe, and before anything that is sent later: a message
        of ours to `marker_topic` is the end of them. Raises BrokerLostError.
        """
        self._marker = secrets.token_hex(8)
        wanted = [(marker_topic, 0), *((one, 0) for one in filters)]
        self._client.subscribe(wanted)
        self._client.publish(marker_topic, self._marker.encode())
        try:
            async with asyncio.timeout(RETAINED_TIMEOUT_S):
                await self._unless_lost(self._loop.create_task(self._seen.wait()))
        except TimeoutError as error:
            raise BrokerLostError(
                f"MQTT at {self._options.place} did not tell within {RETAINED_TIMEOUT_S:.0f} s what it "
                f"retains; may this user read {', '.join(topic for topic, _ in wanted)}?"
            ) from error
        self._client.unsubscribe([topic for topic, _ in wanted])
        return self._retained

    async def _unless_lost(self, waited: asyncio.Future[Any]) -> None:
        try:
            await asyncio.wait({waited, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if not waited.done():
                raise BrokerLostError(f"lost MQTT at {self._options.place}: {self._lost.result()}")
        finally:
            if not waited.done() and waited is not self._welcome:
                waited.cancel()

    # -- paho's thread from here on ---------------------------------------------------------------------

    def _call(self, function: Any, *arguments: Any) -> None:
        # paho's thread may outlive the loop by a moment.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure:
            self._call(self._lose, f"it refuses the connection ({reason})")
        else:
            self._call(self._welcomed, getattr(properties, "ReceiveMaximum", IN_FLIGHT_MAX))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        self._call(self._lose, str(reason))

    def _on_publish(
        self, _client: Client, _data: Any, packet: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._call(self._confirm, packet, reason)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.payload == self._marker.encode():
            self._call(self._seen.set)
        elif message.retain:
            self._retained[message.topic] = digest(bytes(message.payload))

    # -- the event loop again ---------------------------------------------------------------------------

    def _welcomed(self, receive_max: int) -> None:
        if not self._welcome.done():
            self._welcome.set_result(receive_max)

    def _lose(self, why: str) -> None:
        if not self._lost.done():
            self._lost.set_result(why)

    def _confirm(self, packet: int, reason: ReasonCode) -> None:
        topic = self._unconfirmed.pop(packet, None)
        if topic is None:
            return  # The marker: it has QoS 0.
        if reason.is_failure and reason.value != _NO_SUBSCRIBER and topic not in self._refused:
            self._refused.add(topic)
            log.error("MQTT at %s refuses messages to %s: %s", self._options.place, topic, reason)
        self._room.release()
        if not self._unconfirmed:
            self._settled.set()
