"""The load: single-reading messages at a steady rate over a few connections, each one acknowledged.

Message n is due at n / rate after the start, whatever became of those before it: a slow broker makes messages
late, which is reported, not rare. The time in a message is the instant at which it was handed to the socket;
no two messages have the same.
"""

from __future__ import annotations

import asyncio
import socket
import time
from array import array
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

from benchmarks.companion import Channel
from benchmarks.mqtt_wire import (
    CONNACK,
    DISCONNECT_PACKET,
    PUBACK,
    RECEIVE_MAX_DEFAULT,
    PacketReader,
    connect_packet,
    publish_packet,
    receive_max,
    topic_field,
)
from benchmarks.traffic import Traffic
from runtime.clock import system_clock
from twin.instant import format_instant

CONNECT_TIMEOUT_S = 10.0
PUBACK_TIMEOUT_S = 30.0

# Later than this, the load stops: the broker does not take the rate at all.
LATE_S_MAX = 30.0

_SUCCESS = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What to send where."""

    traffic: Traffic
    host: str
    port: int
    rate: int  #: messages a second
    messages: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What was sent. Of all arrays, element n belongs to message n."""

    published: array[int]  #: publish instants
    acknowledged: bytes  #: 1 where the broker acknowledged
    late_us: array[int]  #: how much later than due
    unheard: int  #: acknowledged, but the broker knew no subscriber, or refused
    sending_s: float  #: from the first message to the last
    acknowledging_s: float  #: from the first message to the last acknowledgement


class _Device(asyncio.Protocol):
    """One connection to the broker."""

    def __init__(self, name: str, acknowledged: bytearray) -> None:
        self.connected: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.room = asyncio.Event()
        self.unheard = 0
        self.waiting: dict[int, int] = {}  # packet id → message
        self.last_acknowledged = 0.0
        self._empty = asyncio.Event()
        self._name = name
        self._acknowledged = acknowledged
        self._reader = PacketReader()
        self._receive_max = RECEIVE_MAX_DEFAULT
        self._packet_id = 0
        self._paused = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        transport.write(connect_packet(self._name))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.room.set()
        self._empty.set()
        if not self.connected.done():
            self.connected.set_exception(ConnectionError("the MQTT broker closed the connection"))

    def data_received(self, data: bytes) -> None:
        for kind, content in self._reader.feed(data):
            if kind == PUBACK:
                self._take_acknowledgement(content)
            elif kind == CONNACK:
                self._receive_max = receive_max(content)
                self.room.set()
                self.connected.set_result(self._receive_max)

    def pause_writing(self) -> None:
        self._paused = True
        self.room.clear()

    def resume_writing(self) -> None:
        self._paused = False
        self._look_for_room()

    def publish(self, message: int, topic: bytes, payload: bytes) -> None:
        """Send a message; call only when there is room."""
        if self._transport is None:
            raise ConnectionError("the MQTT broker closed the connection")
        self._packet_id = self._packet_id % 65_535 + 1
        while self._packet_id in self.waiting:
            self._packet_id = self._packet_id % 65_535 + 1
        self.waiting[self._packet_id] = message
        self._transport.write(publish_packet(topic, self._packet_id, payload))
        if len(self.waiting) >= self._receive_max:
            self.room.clear()

    async def drained(self) -> None:
        """Return once every message is acknowledged."""
        while self.waiting and self._transport is not None:
            self._empty.clear()
            await self._empty.wait()

    def close(self) -> None:
        """Say goodbye."""
        if self._transport is not None:
            self._transport.write(DISCONNECT_PACKET)
            self._transport.close()

    def _take_acknowledgement(self, content: bytes) -> None:
        message = self.waiting.pop(int.from_bytes(content[:2], "big"))
        if len(content) > 2 and content[2] != _SUCCESS:
            self.unheard += 1
        self._acknowledged[message] = 1
        self.last_acknowledged = time.monotonic()
        self._look_for_room()
        if not self.waiting:
            self._empty.set()

    def _look_for_room(self) -> None:
        if not self._paused and len(self.waiting) < self._receive_max:
            self.room.set()


async def generate(channel: Channel, options: LoadOptions) -> None:
    """Connect, say "ready", send at the word "go", answer with the LoadResult, and stay until told to end."""
    acknowledged = bytearray(options.messages)
    devices = await _connect(options, acknowledged)
    channel.send("ready")
    await channel.word()
    channel.send(await _send(devices, options, acknowledged))
    for device in devices:
        device.close()
    await channel.word()


async def _connect(options: LoadOptions, acknowledged: bytearray) -> list[_Device]:
    loop = asyncio.get_running_loop()
    devices = [_Device(f"benchmark-{number}", acknowledged) for number in range(options.connections)]
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        for device in devices:
            await loop.create_connection(partial(_itself, device), options.host, options.port)
            await device.connected
    return devices


def _itself(device: _Device) -> _Device:
    return device


async def _send(devices: list[_Device], options: LoadOptions, acknowledged: bytearray) -> LoadResult:
    topics = _Topics(options.traffic)
    published = array("q")
    late = array("q")
    last = 0
    begin = time.monotonic()
    for number in range(options.messages):
        # A sensor keeps its connection, so that its messages stay in order.
        device = devices[options.traffic.sensor_of(number) % len(devices)]
        due = begin + number / options.rate
        if (ahead := due - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        if not device.room.is_set():
            async with asyncio.timeout(LATE_S_MAX):
                await device.room.wait()
        last = max(last + 1, system_clock())
        published.append(last)
        late.append(max(0, int((time.monotonic() - due) * 1_000_000)))
        device.publish(number, *topics.message(number, last))
        if late[-1] > LATE_S_MAX * 1_000_000:
            raise TimeoutError(f"message {number} is {LATE_S_MAX:.0f} s late: the broker does not keep up")
    sent = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(PUBACK_TIMEOUT_S):
            for device in devices:
                await device.drained()
    return LoadResult(
        published=published,
        acknowledged=bytes(acknowledged),
        late_us=late,
        unheard=sum(device.unheard for device in devices),
        sending_s=sent - begin,
        acknowledging_s=max(device.last_acknowledged for device in devices) - begin,
    )


class _Topics:
    """What of a message is the same each time, made once for each sensor."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._known: dict[int, tuple[bytes, str]] = {}

    def message(self, number: int, instant: int) -> tuple[bytes, bytes]:
        """Return topic field and payload of a message."""
        traffic = self._traffic
        sensor = traffic.sensor_of(number)
        if sensor not in self._known:
            topic = f"livetwin/{traffic.city}/{traffic.sensor_name(sensor)}/observations"
            self._known[sensor] = topic_field(topic), traffic.property_name(sensor)
        topic_bytes, field = self._known[sensor]
        return (
            topic_bytes,
            f'{{"time":"{format_instant(instant)}","values":{{"{field}":{traffic.value_of(number)}}}}}'.encode(),
        )
