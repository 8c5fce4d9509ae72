"""An MQTT broker whose bytes are given by a test, for cases that no real broker produces."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import mqtt5


class ScriptedConnection:
    """One connection of a client that has subscribed."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number  #: from 1
        self._reader = reader
        self._writer = writer
        self._unread = b""

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def next_packet(self) -> object:
        """Return the next packet of the client; raise ConnectionError when it has disconnected."""
        while True:
            try:
                packet, length = mqtt5.read(memoryview(self._unread))
            except IndexError:
                data = await self._reader.read(65_536)
                if not data:
                    raise ConnectionError("the client closed the connection") from None
                self._unread += data
            else:
                self._unread = self._unread[length:]
                return packet

    async def next_acknowledgements(self, count: int) -> list[int]:
        """Return the packet ids of the next acknowledgements."""
        found = []
        for _ in range(count):
            packet = await self.next_packet()
            assert isinstance(packet, mqtt5.PubAckPacket), packet
            found.append(packet.packet_id)
        return found

    async def until_closed(self) -> None:
        """Return when the client has closed the connection; acknowledge what it publishes until then."""
        try:
            while True:
                packet = await self.next_packet()
                if isinstance(packet, mqtt5.PublishPacket) and packet.packet_id is not None:
                    await self.send(mqtt5.PubAckPacket(packet.packet_id).write())
        except ConnectionError:
            return


Script: TypeAlias = Callable[[ScriptedConnection], Awaitable[None]]


@asynccontextmanager
async def scripted_broker(
    script: Script, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve clients by a script until the block ends; a connection ends with its script."""
    connections: list[ScriptedConnection] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ScriptedConnection(len(connections) + 1, reader, writer)
        connections.append(connection)
        try:
            await connection.next_packet()
            await connection.send(mqtt5.ConnAckPacket(session_present=connection.number > 1).write())
            subscribe = await connection.next_packet()
            assert isinstance(subscribe, mqtt5.SubscribePacket)
            granted = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
            reasons = [granted for _ in subscribe.topic_filters]
            await connection.send(mqtt5.SubAckPacket(subscribe.packet_id, reasons).write())
            await script(connection)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
