"""The queue of Mosquitto is bounded: what is within the bounds arrives, and memory stays within them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import LOOPBACK
from tests.integration.ingest.mqtt_sessions import TOPIC, open_session, receive
from tests.support.brokers.mqtt_publisher import publish

MESSAGES_MAX = 20_000
BYTES_MAX = 20_000_000


class SmallMosquitto(EmbeddedMosquitto):
    """The embedded broker with a queue that a test can fill."""

    QUEUED_MESSAGES_MAX = MESSAGES_MAX
    QUEUED_BYTES_MAX = BYTES_MAX


@pytest.mark.parametrize(("size", "kept"), [(60, MESSAGES_MAX), (20_000, BYTES_MAX // 20_000)])
async def test_a_flood_takes_no_more_memory_than_the_queue_may_have(
    service_folder: Path, size: int, kept: int
) -> None:
    broker = SmallMosquitto(service_folder)
    await broker.start()
    try:
        address = LOOPBACK, broker.port
        async with open_session(address, share=""):
            pass
        [pid] = broker.pids
        before = psutil.Process(pid).memory_info().rss
        flood = [(TOPIC, (b"%d " % number).ljust(size)) for number in range(2 * kept)]
        await asyncio.to_thread(publish, address, flood)
        grown = psutil.Process(pid).memory_info().rss - before
        assert grown < 1.3 * kept * (size + SmallMosquitto.MESSAGE_OVERHEAD_BYTES) + (1 << 20), grown
        async with open_session(address, share="", buffer_bytes_max=64 << 20) as session:
            found = [int(one.payload) for one in await receive(session, kept)]
            await asyncio.to_thread(publish, address, [(TOPIC, b"-1")])
            [last] = await receive(session, 1)
    finally:
        await broker.stop()
    assert found == list(range(kept))
    assert last.payload == b"-1"
