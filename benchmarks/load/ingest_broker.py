"""A cheap MQTT broker: it sends prepared packets to its one subscriber at a steady rate.

It respects the subscriber's limit of unacknowledged packets.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import mqtt5
import numpy as np

from benchmarks.load.packets import Packets
from benchmarks.load.traffic import LoadTraffic
from benchmarks.measure.worker_process import BenchmarkError, WorkerChannel
from runtime.clock import system_clock

_TICK_S = 0.003
_PUBACK_BYTES = 4
_PACKET_IDS = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestBrokerOptions:
    """What to send."""

    traffic: LoadTraffic
    messages: int
    rate: int  #: messages a second; 0: as fast as they are acknowledged


async def serve_messages(channel: WorkerChannel, options: IngestBrokerOptions) -> None:
    """Send the port; at "go" send all messages to the subscriber; send "done"; run until ended."""
    broker = _Broker(options)
    server = await asyncio.start_server(broker.accept, "127.0.0.1", 0)
    channel.send(server.sockets[0].getsockname()[1])
    await channel.receive()
    await broker.send()
    channel.send("done")
    await channel.receive()
    server.close()


class _Broker:
    def __init__(self, options: IngestBrokerOptions) -> None:
        self._options = options
        self._packets = Packets(options.traffic)
        self._subscribed = asyncio.Event()
        self._progress = asyncio.Event()
        self._acknowledged_bytes = 0
        self._window = 0
        self._writer: asyncio.StreamWriter

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept the subscriber, then count its acknowledgements."""
        self._writer = writer
        connect = await _packet(reader)
        if not isinstance(connect, mqtt5.ConnectPacket):
            raise BenchmarkError(f"expected CONNECT, found {connect!r}")
        self._window = connect.receive_max
        writer.write(mqtt5.ConnAckPacket().write())
        subscribe = await _packet(reader)
        if not isinstance(subscribe, mqtt5.SubscribePacket):
            raise BenchmarkError(f"expected SUBSCRIBE, found {subscribe!r}")
        granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE for _ in subscribe.topic_filters]
        writer.write(mqtt5.SubAckPacket(subscribe.packet_id, granted).write())
        self._subscribed.set()
        while data := await reader.read(65_536):
            self._acknowledged_bytes += len(data)
            self._progress.set()

    async def send(self) -> None:
        """Send every message; return when the last one is acknowledged."""
        await self._subscribed.wait()
        options, sent, start = self._options, 0, time.monotonic()
        while sent < options.messages:
            due = options.messages
            if options.rate:
                due = min(due, int((time.monotonic() - start) * options.rate))
            room = self._window - (sent - self._acknowledged_bytes // _PUBACK_BYTES)
            count = min(due - sent, room)
            if count > 0:
                self._write(sent, count)
                sent += count
            if room <= 0 or not options.rate:
                await self._acknowledgement()
            else:
                await asyncio.sleep(_TICK_S)
        while self._acknowledged_bytes // _PUBACK_BYTES < sent:
            await self._acknowledgement()

    async def _acknowledgement(self) -> None:
        self._progress.clear()
        await self._progress.wait()

    def _write(self, first: int, count: int) -> None:
        numbers = np.arange(first, first + count)
        instants = np.full(count, system_clock())
        self._writer.write(self._packets.make(numbers, numbers % _PACKET_IDS + 1, instants).tobytes())


async def _packet(reader: asyncio.StreamReader) -> object:
    """Read the next packet, which is short."""
    head = await reader.readexactly(2)
    return mqtt5.read(memoryview(head + await reader.readexactly(head[1])))[0]
