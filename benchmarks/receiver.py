"""The one on duty: takes messages over a webhook, and notes when each was there."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass, field
from typing import cast

import httptools

from alerting.delivery.channels import IDEMPOTENCY_HEADER
from benchmarks.measure.worker_process import WorkerChannel
from runtime.clock import system_clock

_HEADER = IDEMPOTENCY_HEADER.lower().encode()
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class ReceivedNotifications:
    """What came. Of both, element n belongs to request n."""

    notifications: list[str] = field(default_factory=list)
    arrived: array[int] = field(default_factory=lambda: array("q"))  #: instants of the last byte


class _Request(asyncio.Protocol):
    """One connection, which may carry several requests."""

    def __init__(self, received: ReceivedNotifications) -> None:
        self._received = received
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._notification = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == _HEADER:
            self._notification = value.decode()

    def on_message_complete(self) -> None:
        self._received.arrived.append(system_clock())
        self._received.notifications.append(self._notification)
        assert self._transport is not None
        self._transport.write(_ANSWER)


async def receive_webhooks(channel: WorkerChannel, host: str) -> None:
    """Listen, answer with the port, at "count" with how many came, and at "end" with what was Received."""
    received = ReceivedNotifications()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Request(received), host, 0)
    channel.send(server.sockets[0].getsockname()[1])
    while await channel.receive() == "count":
        channel.send(len(received.notifications))
    channel.send(received)
    await channel.receive()
