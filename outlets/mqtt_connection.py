"""A connection to the MQTT broker for publishing: QoS 1 messages, and the digests of retained messages.

`mqtt5` encodes and decodes packets on the event loop. A client with its own thread costs a hundred times as
much: each message and each confirmation wakes both threads.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import mqtt5

from runtime.mqtt.access import MqttAccess
from runtime.tcp_keepalive import enable_keepalive
from twin.errors import ServiceError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
RETAINED_TIMEOUT_S = 30.0
IN_FLIGHT_MAX = 100
"""Messages sent and not confirmed; the broker may allow fewer."""
PACKET_BYTES_MAX = 16 * 1024 * 1024
"""Largest packet accepted from the broker, which then withholds larger retained messages."""

_PACKET_IDS = 65_535
_ACCEPTED = (mqtt5.PubAckReasonCode.SUCCESS, mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)


class MqttConnectionLostError(ServiceError):
    """The broker is unreachable, closed the connection, or refuses a required operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConnectionOptions:
    """The broker, the credentials and the keep-alive of a connection."""

    broker: MqttAccess
    keepalive_s: int = 60


def payload_digest(payload: bytes) -> bytes:
    """Return a short hash, to compare payloads without keeping them."""
    return hashlib.blake2b(payload, digest_size=16).digest()


@asynccontextmanager
async def open_mqtt_connection(options: MqttConnectionOptions) -> AsyncIterator[MqttConnection]:
    """Open a connection without a persistent session. Raises MqttConnectionLostError on failure."""
    connection = MqttConnection(options)
    try:
        await connection.connect()
        yield connection
    finally:
        connection.close()


class MqttConnection(asyncio.Protocol):
    """One connection. When it is lost, its user must send unconfirmed messages again."""

    def __init__(self, options: MqttConnectionOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._connack: asyncio.Future[int] = self._loop.create_future()  #: the broker's receive maximum
        self._lost: asyncio.Future[str] = self._loop.create_future()  #: why the connection ended
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._unread = bytearray()  # starts at a packet boundary
        self._unsent: list[bytes] = []  # packets of the next write
        self._packet = 0  # the last packet id that was used
        self._unconfirmed: dict[int, str] = {}  #: topic of each packet
        self._refused: set[str] = set()
        self._retained: dict[str, bytes] = {}
        self._marker = b""
        self._marker_seen = asyncio.Event()
        self._keepalive: asyncio.TimerHandle | None = None
        self._ping_pending = False  # whether nothing arrived since the last PINGREQ

    async def connect(self) -> None:
        """Connect to the broker. Raises MqttConnectionLostError."""
        broker = self._options.broker
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.create_connection(lambda: self, broker.host, broker.port, ssl=broker.tls)
                password = broker.password
                self._write(
                    mqtt5.ConnectPacket(
                        "",
                        username=broker.username,
                        password=password.encode() if password is not None else None,
                        clean_start=True,
                        keep_alive=self._options.keepalive_s,
                        max_packet_size=PACKET_BYTES_MAX,
                    )
                )
                await self._wait_unless_lost(self._connack)
        except (OSError, TimeoutError) as error:
            raise MqttConnectionLostError(
                f"no MQTT broker answers at {broker.address} ({error!r})"
            ) from error
        self._in_flight = asyncio.Semaphore(min(IN_FLIGHT_MAX, self._connack.result()))

    def close(self) -> None:
        """Disconnect; unconfirmed messages may be lost."""
        if self._keepalive is not None:
            self._keepalive.cancel()
        if self._transport is not None:
            self._write(mqtt5.DisconnectPacket())
            self._flush()
            self._transport.close()
        self._lost.cancel()
        self._connack.cancel()

    async def wait_lost(self) -> str:
        """Wait until the connection ends; return the reason."""
        return await asyncio.shield(self._lost)

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Send a message with QoS 1; wait while too many are unconfirmed. Raises MqttConnectionLostError.

        Messages sent in one step of the event loop are written together.
        """
        if self._in_flight.locked():
            await self._wait_unless_lost(self._loop.create_task(self._in_flight.acquire()))
        else:
            await self._in_flight.acquire()  # does not wait: there is room
        if self._lost.done():
            raise MqttConnectionLostError(
                f"lost MQTT at {self._options.broker.address}: {self._lost.result()}"
            )
        packet = self._next_packet()
        self._unconfirmed[packet] = topic
        self._write(
            mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=retain, packet_id=packet)
        )

    async def retained_digests(self, filters: Iterable[str], marker_topic: str) -> dict[str, bytes]:
        """Return the digest of each message that the broker retains under the filters, by topic.

        The broker sends them on subscription, before later messages: our own message to `marker_topic` marks
        their end. Raises MqttConnectionLostError.
        """
        self._marker = secrets.token_hex(8).encode()
        subscribed = [marker_topic, *filters]
        self._write(
            mqtt5.SubscribePacket(
                self._next_packet(),
                [
                    mqtt5.TopicFilter(topic_filter, max_qos=mqtt5.QoS.AT_MOST_ONCE, retain_as_published=False)
                    for topic_filter in subscribed
                ],
            )
        )
        self._write(mqtt5.PublishPacket(marker_topic, self._marker))
        try:
            async with asyncio.timeout(RETAINED_TIMEOUT_S):
                await self._wait_unless_lost(self._loop.create_task(self._marker_seen.wait()))
        except TimeoutError as error:
            raise MqttConnectionLostError(
                f"MQTT at {self._options.broker.address} did not send its retained messages within "
                f"{RETAINED_TIMEOUT_S:.0f} s; may this user read {', '.join(subscribed)}?"
            ) from error
        self._write(mqtt5.UnsubscribePacket(self._next_packet(), subscribed))
        return self._retained

    async def _wait_unless_lost(self, waited: asyncio.Future[Any]) -> None:
        """Wait for a future. Raises MqttConnectionLostError when the connection ends first."""
        try:
            await asyncio.wait({waited, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if not waited.done():
                raise MqttConnectionLostError(
                    f"lost MQTT at {self._options.broker.address}: {self._lost.result()}"
                )
        finally:
            if not waited.done() and waited is not self._connack:
                waited.cancel()

    def _next_packet(self) -> int:
        while True:
            self._packet = self._packet % _PACKET_IDS + 1
            if self._packet not in self._unconfirmed:
                return self._packet

    def _write(self, packet: mqtt5.Packet) -> None:
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packet.write())

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(unsent)

    def _mark_lost(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)
        if self._transport is not None:
            self._transport.close()

    def _ping(self, period_s: float) -> None:
        """Send a PINGREQ; mark the connection lost when nothing arrived since the last one."""
        if self._ping_pending:
            self._mark_lost("the broker stopped answering")
            return
        self._ping_pending = True
        self._write(mqtt5.PingReqPacket())
        self._keepalive = self._loop.call_later(period_s, self._ping, period_s)

    # -- asyncio.Protocol --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of the new connection."""
        self._transport = cast(asyncio.Transport, transport)
        enable_keepalive(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the connection lost."""
        self._mark_lost(repr(exc) if exc is not None else "the connection ended")

    def data_received(self, data: bytes) -> None:
        """Process every complete packet that has arrived."""
        self._ping_pending = False
        self._unread += data
        at = 0
        try:
            with memoryview(self._unread) as view:
                while at < len(view):
                    with view[at:] as rest:
                        packet, length = mqtt5.read(rest)
                    at += length
                    self._on_packet(packet)
        except IndexError:
            pass  # The last packet is incomplete.
        except ValueError as error:
            self._mark_lost(f"the broker sent data that is not MQTT: {error}")
        del self._unread[:at]

    def _on_packet(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PubAckPacket():
                self._on_puback(packet)
            case mqtt5.PublishPacket():
                if packet.payload == self._marker:
                    self._marker_seen.set()
                elif packet.retain:
                    self._retained[packet.topic] = payload_digest(packet.payload)
            case mqtt5.ConnAckPacket():
                self._on_connack(packet)
            case mqtt5.DisconnectPacket():
                self._mark_lost(_reason_text(packet.reason_code))

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            self._mark_lost(f"the broker refuses the connection ({_reason_text(packet.reason_code)})")
        elif not self._connack.done():
            self._connack.set_result(packet.receive_max)
            keepalive_s = packet.server_keep_alive
            if keepalive_s is None:
                keepalive_s = self._options.keepalive_s
            if keepalive_s:
                # Twice per keep-alive: in time for the broker, and a lost broker is noticed soon.
                self._keepalive = self._loop.call_later(keepalive_s / 2, self._ping, keepalive_s / 2)

    def _on_puback(self, packet: mqtt5.PubAckPacket) -> None:
        topic = self._unconfirmed.pop(packet.packet_id, None)
        if topic is None:
            return
        if packet.reason_code not in _ACCEPTED and topic not in self._refused:
            self._refused.add(topic)
            reason = _reason_text(packet.reason_code)
            log.error(
                "MQTT at %s refuses messages to %s: %s",
                self._options.broker.address,
                topic,
                reason,
                extra={"event": "outlets.mqtt_refused", "topic": topic},
            )
        self._in_flight.release()


def _reason_text(
    reason: mqtt5.ConnAckReasonCode | mqtt5.DisconnectReasonCode | mqtt5.PubAckReasonCode,
) -> str:
    """Return a reason code as text.

    >>> _reason_text(mqtt5.ConnAckReasonCode.NOT_AUTHORIZED)
    'not authorized'
    """
    return reason.name.lower().replace("_", " ")
