"""The ingest role between a real Mosquitto and a real log: messages become observations or quarantined."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
from datetime import UTC, datetime
from functools import partial

import pytest
from aiokafka.structs import ConsumerRecord

from tests.integration.ingest.ingest_role import (
    NOISE_TOPIC,
    all_messages,
    all_observations,
    created_session,
    decoded_batches,
    native_payload,
    running_ingest,
)
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from twin.instant import SECOND
from twin.model.observation import Observation
from twin.wire.messages import QUARANTINE, QuarantinedMessage


def holds_more_than(count: int, found: list[ConsumerRecord]) -> bool:
    return len({one.phenomenon_time for one in all_observations(found)}) > count


def at_us(second: int) -> int:
    return (1_795_000_000 + second) * SECOND


def at(second: int) -> str:
    return datetime.fromtimestamp(1_795_000_000 + second, UTC).isoformat()


async def test_a_value_is_logged_in_the_canonical_unit_at_its_own_time(
    mqtt: tuple[str, int], kafka: str
) -> None:
    async with created_session(mqtt, kafka):
        pack = [{"bn": "level-1:", "n": "water_level", "u": "cm", "v": -47, "t": 1_795_000_060}]
        topic = "livetwin/town/level-1/observations"
        await asyncio.to_thread(publish, mqtt, [(topic, json.dumps(pack).encode())])

        def level(records: list[ConsumerRecord]) -> list[Observation]:
            return [one for one in all_observations(records) if one.datastream == 4]

        records = await read_until(kafka, "observations", 4, lambda found: bool(level(found)))
        (observation,) = level(records)
        assert observation.value == -0.47
        assert observation.phenomenon_time == 1_795_000_060 * SECOND


async def test_nothing_is_lost_when_ingest_is_ended_again_and_again(
    mqtt: tuple[str, int], kafka: str
) -> None:
    count = 3_000
    async with created_session(mqtt, kafka):
        pass
    messages = [(NOISE_TOPIC, native_payload(at(number), float(number % 100))) for number in range(count)]
    publishing = asyncio.create_task(asyncio.to_thread(publish, mqtt, messages))

    for goal in (500, 1_200, 2_000, count):
        async with running_ingest(mqtt, kafka, batch_messages_max=20):
            await read_until(kafka, "observations", 4, partial(holds_more_than, goal))
    await publishing


BAD = {
    "truncated JSON": (b'{"time": "2026-11-23T12:00:00Z", "values": {"noise', "malformed"),
    "binary garbage": (bytes(range(256)) * 3, "malformed"),
    "invalid UTF-8": (b'{"time": "2026-11-23T12:00:00Z", "values": {"noise_\xff\xfe": 1}}', "malformed"),
    "NaN": (b'{"time": "2026-11-23T12:00:00Z", "values": {"noise_level": NaN}}', "malformed"),
    "text for a number": (native_payload("2026-11-23T12:00:00Z", "loud"), "not-a-number"),
    "year 1970": (native_payload("1970-01-01T00:00:00Z", 50.0), "time-too-old"),
    "year 2099": (native_payload("2099-01-01T00:00:00Z", 50.0), "time-in-future"),
    "no time at all": (native_payload("yesterday", 50.0), "time-invalid"),
    "impossible": (native_payload("2026-11-23T12:00:00Z", 1e9), "out-of-range"),
    "5 MB": (b"x" * 5_000_000, "too-large"),
    "empty": (b"", "malformed"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_quarantined_with_its_reason_and_the_feed_continues(
    name: str, mqtt: tuple[str, int], kafka: str
) -> None:
    payload, reason = BAD[name]
    async with created_session(mqtt, kafka):
        after = native_payload(at(0), 61.0)
        await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, payload), (NOISE_TOPIC, after)])
        (record,) = await read_until(kafka, "quarantine", 1, bool)
        quarantined: QuarantinedMessage = QUARANTINE.decode(record.value)
        assert quarantined.reason == reason
        assert quarantined.topic == NOISE_TOPIC
        assert quarantined.payload_bytes == len(payload)
        assert quarantined.payload == payload[: len(quarantined.payload)]
        assert quarantined.detail
        await read_until(
            kafka, "observations", 4, lambda found: any(one.value == 61.0 for one in all_observations(found))
        )


async def test_an_unknown_sensor_is_quarantined(mqtt: tuple[str, int], kafka: str) -> None:
    async with created_session(mqtt, kafka):
        topic = "livetwin/town/nobody/observations"
        await asyncio.to_thread(publish, mqtt, [(topic, native_payload(at(0), 50.0))])
        (record,) = await read_until(kafka, "quarantine", 1, bool)
        assert QUARANTINE.decode(record.value).reason == "unknown-sensor"
        assert QUARANTINE.decode(record.value).device == "nobody"


async def test_every_observation_names_its_message_and_messages_are_numbered_without_gaps(
    mqtt: tuple[str, int], kafka: str
) -> None:
    async with created_session(mqtt, kafka):
        topics = [f"livetwin/town/noise-{number % 3 + 1}/observations" for number in range(200)]
        sent = [
            (topic, native_payload(at(number), float(number % 100))) for number, topic in enumerate(topics)
        ]
        sent[50] = (NOISE_TOPIC, b"{")
        sent[51] = (
            NOISE_TOPIC,
            b"[" + native_payload(at(51), 50.0) + b"," + native_payload(at(51), "loud") + b"]",
        )
        await asyncio.to_thread(publish, mqtt, sent)
        times = {at_us(number) for number in range(200) if number != 50}

        def complete(records: list[ConsumerRecord]) -> bool:
            return times <= {one.phenomenon_time for one in all_observations(records)}

        records = await read_until(kafka, "observations", 4, complete)
        quarantine = await read_until(kafka, "quarantine", 1, lambda found: len(found) >= 2)
    messages = all_messages(records)
    (refused, partly) = (QUARANTINE.decode(record.value) for record in quarantine)
    assert len({session for session, _, _ in messages} | {refused.session, partly.session}) == 1
    numbers = [header.sequence for _, header, _ in messages]
    assert sorted([*numbers, refused.sequence]) == list(range(len(numbers) + 1))
    assert partly.sequence in numbers
    payloads = {payload for _, _, payload in messages}
    assert payloads >= {payload for number, (_, payload) in enumerate(sent) if number != 50}
    for _, header, payload in messages:
        assert header.payload_sha256 == hashlib.sha256(payload).digest()
    for partition in range(4):
        clock = [one.time for one in decoded_batches([one for one in records if one.partition == partition])]
        assert clock == sorted(set(clock))


async def test_an_idle_city_gets_ticks_in_every_partition(mqtt: tuple[str, int], kafka: str) -> None:
    async with running_ingest(mqtt, kafka, tick_interval_s=0.05):

        def complete(records: list[ConsumerRecord]) -> bool:
            return all(sum(one.partition == number for one in records) >= 3 for number in range(4))

        records = await read_until(kafka, "observations", 4, complete)
    assert all_observations(records) == []


async def test_the_largest_payloads_are_kept_in_records_that_the_log_accepts(
    mqtt: tuple[str, int], kafka: str
) -> None:
    async with created_session(mqtt, kafka):
        sent = [(NOISE_TOPIC, native_payload(at(number), 60.0).ljust(250_000)) for number in range(12)]
        await asyncio.to_thread(publish, mqtt, sent)

        def found(records: list[ConsumerRecord]) -> bool:
            return len({payload for _, _, payload in all_messages(records)}) > len(sent)

        records = await read_until(kafka, "observations", 4, found)
        assert {payload for _, payload in sent} <= {payload for _, _, payload in all_messages(records)}


@pytest.mark.parametrize("turns", [1, 10, 30, 100, 300])
async def test_a_cancelled_start_leaves_nothing_open(mqtt: tuple[str, int], kafka: str, turns: int) -> None:
    async with running_ingest(mqtt, kafka):
        for _ in range(turns):
            await asyncio.sleep(0)
    # A producer, connection or session that is not closed warns when it is freed: that fails a test.
    gc.collect()
