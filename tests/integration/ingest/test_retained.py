"""Retained messages: each comes once for a subscription, and one without a time is never a new value."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import pytest
from aiokafka.structs import ConsumerRecord

from tests.integration.ingest.ingest_role import NOISE_TOPIC, all_observations, native_payload, running_ingest
from tests.integration.ingest.mqtt_sessions import TOPIC, open_session, receive
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from twin.wire.messages import QUARANTINE

pytestmark = pytest.mark.usefixtures("reading")

OTHER_TOPIC = "livetwin/town/noise-2/observations"
WITHOUT_TIME = json.dumps({"values": {"noise_level": 77.7}}).encode()
WITH_TIME = native_payload("2026-11-23T12:00:00Z", 55.5)


async def test_a_retained_message_comes_once_for_a_subscription(mqtt: tuple[str, int]) -> None:
    await asyncio.to_thread(publish, mqtt, [(TOPIC, b"1")], retain=True)
    for number in (2, 3):
        async with open_session(mqtt, share="") as session:
            if number == 2:
                [kept] = await receive(session, 1)
                assert (kept.payload, kept.retained) == (b"1", True)
            # Had the broker sent the kept message again, it would have come before this one.
            await asyncio.to_thread(publish, mqtt, [(TOPIC, b"%d" % number)])
            [live] = await receive(session, 1)
            assert (live.payload, live.retained) == (b"%d" % number, False)


async def test_a_live_message_is_not_retained_although_its_sender_asks_for_it(mqtt: tuple[str, int]) -> None:
    async with open_session(mqtt, share="") as session:
        await asyncio.to_thread(publish, mqtt, [(TOPIC, b"1")], retain=True)
        [live] = await receive(session, 1)
    assert not live.retained


def has_values(goal: set[float], records: list[ConsumerRecord]) -> bool:
    return goal <= {one.value for one in all_observations(records)}


async def test_a_retained_value_counts_at_its_own_time_and_without_one_never(
    mqtt: tuple[str, int], kafka: str
) -> None:
    kept = [(NOISE_TOPIC, WITHOUT_TIME), (OTHER_TOPIC, WITH_TIME)]
    await asyncio.to_thread(publish, mqtt, kept, retain=True)
    after = 61.0
    for _ in range(2):  # ingest, and ingest after a restart
        async with running_ingest(mqtt, kafka, mqtt_share=""):
            await read_until(kafka, "observations", 4, partial(has_values, {55.5}))
            await asyncio.to_thread(
                publish, mqtt, [(NOISE_TOPIC, json.dumps({"values": {"noise_level": after}}))]
            )
            records = await read_until(kafka, "observations", 4, partial(has_values, {after}))
        after += 1
    assert {one.value for one in all_observations(records)} == {55.5, 61.0, 62.0}
    [refused] = await read_until(kafka, "quarantine", 1, bool)
    message = QUARANTINE.decode(refused.value)
    assert (message.reason, message.payload) == ("retained", WITHOUT_TIME)
