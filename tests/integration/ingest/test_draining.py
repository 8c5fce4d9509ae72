"""A drained replica of ingest leaves no messages in the broker."""

from __future__ import annotations

import asyncio

from ingest.service import run
from ingest.settings import IngestSettings
from tests.integration.ingest.ingest_role import (
    NOISE_TOPIC,
    SESSION_MARKER,
    all_messages,
    native_payload,
    running_ingest,
)
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.model_source import FakeModelSource
from tests.support.cities.small_cities import small_city

SHARE = "town"
DEADLINE_S = 60.0


async def retire(mqtt: tuple[str, int], kafka: str, name: str) -> None:
    """Run a replica until it ends by itself."""
    options = IngestSettings(
        mqtt_host=mqtt[0], mqtt_port=mqtt[1], kafka=kafka, mqtt_client_id=name, mqtt_share=SHARE
    )
    await asyncio.wait_for(run(options, FakeModelSource(small_city()), drain=True), DEADLINE_S)


async def kept(kafka: str, goal: int, timeout_s: float = DEADLINE_S) -> list[bytes]:
    """Return the payload of each message on the log, once there are so many."""
    found = await read_until(
        kafka, "observations", 4, lambda records: len(all_messages(records)) >= goal, timeout_s
    )
    return [payload for _, _, payload in all_messages(found)]


async def subscribe(mqtt: tuple[str, int], kafka: str, name: str, before: int) -> int:
    """Let a replica subscribe, and leave; return how many messages are on the log then, and were before."""
    async with running_ingest(mqtt, kafka, mqtt_client_id=name, mqtt_share=SHARE):
        while True:
            await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, SESSION_MARKER)])
            try:
                return len(await kept(kafka, before + 1, timeout_s=0.5))
            except AssertionError:
                continue


async def test_messages_kept_for_a_replica_are_received_before_its_session_ends(
    mqtt: tuple[str, int], kafka: str
) -> None:
    async def send(first: int, last: int) -> list[bytes]:
        sent = [
            native_payload(f"2026-11-23T10:{number:02}:00Z", float(number)) for number in range(first, last)
        ]
        await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, one) for one in sent])
        return sent

    count = 0
    for name in ("a", "b"):
        count = await subscribe(mqtt, kafka, name, count)
    sent = await send(0, 20)
    await asyncio.gather(retire(mqtt, kafka, "a"), retire(mqtt, kafka, "b"))
    assert sorted({SESSION_MARKER, *sent}) == sorted(set(await kept(kafka, count + 20)))
    # Nobody subscribes any more, and no session keeps anything.
    await send(20, 30)
    count = await subscribe(mqtt, kafka, "a", count + 20)
    assert sorted({SESSION_MARKER, *sent}) == sorted(set(await kept(kafka, count)))
