"""Opens MQTT sessions, and receives messages from them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ingest.mqtt.message import MqttMessage
from ingest.mqtt.session import MqttSession, MqttSessionOptions
from runtime.clock import system_clock
from runtime.mqtt.access import MqttAccess

FILTER = "livetwin/+/+/observations"
TOPIC = "livetwin/town/noise-1/observations"


def numbered_messages(first: int, last: int) -> list[tuple[str, bytes]]:
    return [(TOPIC, b"%d" % number) for number in range(first, last + 1)]


def message_numbers(messages: list[MqttMessage]) -> list[int]:
    return [int(message.payload) for message in messages]


@asynccontextmanager
async def open_session(
    address: tuple[str, int],
    *,
    receive_max: int = 5_000,
    buffer_bytes_max: int = 1_000_000,
    share: str = "livetwin",
    tls: ssl.SSLContext | None = None,
    **timeouts: Any,
) -> AsyncIterator[MqttSession]:
    options = MqttSessionOptions(
        broker=MqttAccess(host=address[0], port=address[1], tls=tls),
        client_id="ingest-0",
        keepalive_s=10,
        session_expiry_s=3_600,
        receive_max=receive_max,
        buffer_bytes_max=buffer_bytes_max,
        shared_subscription=share,
        **timeouts,
    )
    session = MqttSession(options, [FILTER], system_clock)
    async with asyncio.timeout(60):
        await session.open()
        try:
            yield session
        finally:
            await session.close()


async def receive(session: MqttSession, count: int, *, acknowledge: bool = True) -> list[MqttMessage]:
    received: list[MqttMessage] = []
    while len(received) < count:
        batch = await session.next_batch(1_000)
        received += batch
        if acknowledge:
            session.acknowledge(batch)
    return received
