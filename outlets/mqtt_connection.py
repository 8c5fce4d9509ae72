"""The MQTT broker as an outlet uses it: messages out, each confirmed, and a look at what it retains.

Packets are written and read by `mqtt5` on the event loop: a client with a thread of its own wakes it, and is
woken, for each message and for each confirmation, at a hundred times the cost of the packet.
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
from runtime.tcp_keepalive import look_after
from twin.errors import ServiceError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
RETAINED_TIMEOUT_S = 30.0
IN_FLIGHT_MAX = 100
"""Messages that are not confirmed yet; the broker may want fewer."""
PACKET_BYTES_MAX = 16 * 1024 * 1024
"""Of what the broker sends; it withholds a retained message that is larger."""

_PACKET_IDS = 65_535
_TAKEN = (mqtt5.PubAckReasonCode.SUCCESS, mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)


class BrokerLostError(ServiceError):
    """The broker is not reached, or not any more, or it refuses what an outlet needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """Where to connect, and as whom."""

    broker: MqttAccess
    keepalive_s: int = 60


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
        broker.close()


class Broker(asyncio.Protocol):
    """One connection. What was not confirmed when it is lost is for whoever sent it to send again."""

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._welcome: asyncio.Future[int] = self._loop.create_future()  #: messages the broker wants at once
        self._lost: asyncio.Future[str] = self._loop.create_future()  #: why the connection ended
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._unread = bytearray()  # begins with a packet
        self._unsent: list[bytes] = []  # packets that go out together
        self._packet = 0  # id of the last packet that is confirmed
        self._unconfirmed: dict[int, str] = {}  #: topic of each packet
        self._refused: set[str] = set()
        self._settled = asyncio.Event()
        self._settled.set()
        self._retained: dict[str, bytes] = {}
        self._marker = b""
        self._seen = asyncio.Event()
        self._keepalive: asyncio.TimerHandle | None = None
        self._asked = False  # whether the broker owes a sign of life

    async def connect(self) -> None:
        """Connect. Raises BrokerLostError."""
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
                await self._unless_lost(self._welcome)
        except (OSError, TimeoutError) as error:
            raise BrokerLostError(f"no MQTT broker answers at {broker.place} ({error!r})") from error
        self._room = asyncio.Semaphore(min(IN_FLIGHT_MAX, self._welcome.result()))

    def close(self) -> None:
        """Disconnect; what is not confirmed may be lost."""
        if self._keepalive is not None:
            self._keepalive.cancel()
        if self._transport is not None:
            self._write(mqtt5.DisconnectPacket())
            self._flush()
            self._transport.close()
        self._lost.cancel()
        self._welcome.cancel()

    async def until_lost(self) -> str:
        """Return why, once the connection has ended."""
        return await asyncio.shield(self._lost)

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Send a message with QoS 1; wait while too many are not confirmed. Raises BrokerLostError.

        What is sent without a break of the event loop goes out in one write.
        """
        if self._room.locked():
            await self._unless_lost(self._loop.create_task(self._room.acquire()))
        else:
            await self._room.acquire()  # at once: there is room
        if self._lost.done():
            raise BrokerLostError(f"lost MQTT at {self._options.broker.place}: {self._lost.result()}")
        packet = self._next_packet()
        self._unconfirmed[packet] = topic
        self._settled.clear()
        self._write(
            mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=retain, packet_id=packet)
        )

    async def settle(self) -> None:
        """Return when everything that was sent is confirmed. Raises BrokerLostError."""
        await self._unless_lost(self._loop.create_task(self._settled.wait()))

    async def retained(self, filters: Iterable[str], marker_topic: str) -> dict[str, bytes]:
        """Return the digest of each message that the broker retains under the filters, by topic.

        It hands them over when it is asked to subscribe, and before anything that is sent later: a message
        of ours to `marker_topic` is the end of them. Raises BrokerLostError.
        """
        self._marker = secrets.token_hex(8).encode()
        wanted = [marker_topic, *filters]
        self._write(
            mqtt5.SubscribePacket(
                self._next_packet(),
                [
                    mqtt5.TopicFilter(one, max_qos=mqtt5.QoS.AT_MOST_ONCE, retain_as_published=False)
                    for one in wanted
                ],
            )
        )
        self._write(mqtt5.PublishPacket(marker_topic, self._marker))
        try:
            async with asyncio.timeout(RETAINED_TIMEOUT_S):
                await self._unless_lost(self._loop.create_task(self._seen.wait()))
        except TimeoutError as error:
            raise BrokerLostError(
                f"MQTT at {self._options.broker.place} did not tell within {RETAINED_TIMEOUT_S:.0f} s what "
                f"it retains; may this user read {', '.join(wanted)}?"
            ) from error
        self._write(mqtt5.UnsubscribePacket(self._next_packet(), wanted))
        return self._retained

    async def _unless_lost(self, waited: asyncio.Future[Any]) -> None:
        try:
            await asyncio.wait({waited, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if not waited.done():
                raise BrokerLostError(f"lost MQTT at {self._options.broker.place}: {self._lost.result()}")
        finally:
            if not waited.done() and waited is not self._welcome:
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

    def _lose(self, why: str) -> None:
        if not self._lost.done():
            self._lost.set_result(why)
        if self._transport is not None:
            self._transport.close()

    def _look_alive(self, period_s: float) -> None:
        """Ask for a sign of life, as the broker wants one of us; without an answer to the last it is lost."""
        if self._asked:
            self._lose("it has stopped to answer")
            return
        self._asked = True
        self._write(mqtt5.PingReqPacket())
        self._keepalive = self._loop.call_later(period_s, self._look_alive, period_s)

    # -- what the transport calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have a connection."""
        self._transport = cast(asyncio.Transport, transport)
        look_after(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Have it no more."""
        self._lose(repr(exc) if exc is not None else "the connection ended")

    def data_received(self, data: bytes) -> None:
        """Take in what has come, packet by packet."""
        self._asked = False
        self._unread += data
        at = 0
        try:
            with memoryview(self._unread) as view:
                while at < len(view):
                    with view[at:] as rest:
                        packet, length = mqtt5.read(rest)
                    at += length
                    self._take(packet)
        except IndexError:
            pass  # The rest of a packet is still to come.
        except ValueError as error:
            self._lose(f"it sent what is no MQTT: {error}")
        del self._unread[:at]

    def _take(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PubAckPacket():
                self._confirm(packet)
            case mqtt5.PublishPacket():
                if packet.payload == self._marker:
                    self._seen.set()
                elif packet.retain:
                    self._retained[packet.topic] = digest(packet.payload)
            case mqtt5.ConnAckPacket():
                self._welcomed(packet)
            case mqtt5.DisconnectPacket():
                self._lose(_words(packet.reason_code))

    def _welcomed(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            self._lose(f"it refuses the connection ({_words(packet.reason_code)})")
        elif not self._welcome.done():
            self._welcome.set_result(packet.receive_max)
            wanted = packet.server_keep_alive
            keepalive_s = self._options.keepalive_s if wanted is None else wanted
            if keepalive_s:
                # Twice in that time: the broker hears of us early enough, and we know soon when it is gone.
                self._keepalive = self._loop.call_later(keepalive_s / 2, self._look_alive, keepalive_s / 2)

    def _confirm(self, packet: mqtt5.PubAckPacket) -> None:
        topic = self._unconfirmed.pop(packet.packet_id, None)
        if topic is None:
            return
        if packet.reason_code not in _TAKEN and topic not in self._refused:
            self._refused.add(topic)
            reason = _words(packet.reason_code)
            log.error("MQTT at %s refuses messages to %s: %s", self._options.broker.place, topic, reason)
        self._room.release()
        if not self._unconfirmed:
            self._settled.set()


def _words(reason: mqtt5.ConnAckReasonCode | mqtt5.DisconnectReasonCode | mqtt5.PubAckReasonCode) -> str:
    """Return a reason as people read it.

    >>> _words(mqtt5.ConnAckReasonCode.NOT_AUTHORIZED)
    'not authorized'
    """
    return reason.name.lower().replace("_", " ")
