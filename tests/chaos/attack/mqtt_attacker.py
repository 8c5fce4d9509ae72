"""A connection to an MQTT broker that sends any bytes, and tells what the broker answered."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from benchmarks.load.mqtt_wire import (
    CONNACK,
    PUBACK,
    PacketReader,
    connect_packet,
    publish_packet,
    topic_field,
)
from tests.chaos.attack.attack import LOOPBACK, AttackTarget
from tests.support.brokers.secure_mosquitto import HOST

PUBLISH, SUBACK, DISCONNECT = 0x30, 0x90, 0xE0
ANSWER_S_MAX = 5.0

ACCEPTED, CLOSED, SILENT = "accepted", "closed", "no answer"

# Section 2.4 of MQTT 5; 0x10 is a success without a subscriber.
_REASONS = {
    0x00: ACCEPTED,
    0x01: ACCEPTED,
    0x02: ACCEPTED,
    0x10: ACCEPTED,
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "refused",
    0x84: "protocol version refused",
    0x85: "client id refused",
    0x86: "bad name or password",
    0x87: "not authorized",
    0x8E: "taken over",
    0x8F: "topic filter invalid",
    0x90: "topic invalid",
    0x93: "too many in flight",
    0x95: "packet too large",
    0x99: "payload format invalid",
}


def reason_of(packet: tuple[int, bytes] | None) -> str:
    """Return what a packet says; None is the end of the connection."""
    if packet is None:
        return CLOSED
    kind, content = packet
    match kind:
        case _ if kind == CONNACK:
            code = content[1]
        case _ if kind == PUBACK:
            code = content[2] if len(content) > 2 else 0
        case _ if kind == SUBACK:
            code = content[-1]
        case _ if kind == DISCONNECT:
            return f"disconnected: {_REASONS.get(content[0] if content else 0, hex(content[0]))}"
        case _:
            return f"packet {kind:#x}"
    return _REASONS.get(code, hex(code))


class MqttAttacker:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packets: deque[tuple[int, bytes]] = deque()
        self._split = PacketReader()
        self.received_topics = 0  #: messages that the broker sent to this connection

    async def send(self, data: bytes) -> None:
        """Send bytes; a closed connection is seen in the answer."""
        if self._writer.is_closing():
            return
        with suppress(ConnectionError, ssl.SSLError):
            self._writer.write(data)
            await self._writer.drain()

    async def next_packet(self) -> tuple[int, bytes] | None:
        """Return the next packet that is no message; None at the end of the connection."""
        while True:
            while not self._packets:
                try:
                    data = await self._reader.read(1 << 16)
                except (ConnectionError, ssl.SSLError):
                    return None
                if not data:
                    return None
                self._packets.extend(self._split.feed(data))
            packet = self._packets.popleft()
            if packet[0] != PUBLISH:
                return packet
            self.received_topics += 1

    async def answer(self, wait_s: float = ANSWER_S_MAX) -> str:
        """Return what the broker answers next."""
        try:
            async with asyncio.timeout(wait_s):
                return reason_of(await self.next_packet())
        except TimeoutError:
            return SILENT

    async def connect(
        self,
        client_id: str,
        account: tuple[str, str] | None = None,
        will: tuple[str, bytes] | None = None,
    ) -> str:
        """Send CONNECT; return the answer."""
        await self.send(connect_packet(client_id, account=account, will=will))
        return await self.answer()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Publish a message with QoS 1; return the answer."""
        packet = publish_packet(topic_field(topic), 1, payload)
        await self.send(bytes([packet[0] | retain]) + packet[1:])
        return await self.answer()

    async def subscribe(self, topic_filter: str) -> str:
        """Subscribe with QoS 1; return the answer."""
        body = b"\x00\x01\x00" + topic_field(topic_filter) + b"\x01"
        await self.send(b"\x82" + bytes([len(body)]) + body)
        return await self.answer()

    def abort(self) -> None:
        """End the connection without DISCONNECT: the broker publishes its will."""
        self._writer.transport.abort()


@asynccontextmanager
async def mqtt_attacker(target: AttackTarget, *, accounts: bool) -> AsyncIterator[MqttAttacker]:
    """Connect to the broker with accounts, over TLS, or to the one without. Raises OSError."""
    if accounts:
        tls = ssl.create_default_context(cafile=target.authority)
        opened = asyncio.open_connection(LOOPBACK, target.mqtt_port, ssl=tls, server_hostname=HOST)
    else:
        opened = asyncio.open_connection(LOOPBACK, target.open_mqtt_port)
    async with asyncio.timeout(ANSWER_S_MAX):
        reader, writer = await opened
    attacker = MqttAttacker(reader, writer)
    try:
        yield attacker
    finally:
        attacker.abort()
