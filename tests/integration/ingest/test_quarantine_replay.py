"""Replays on a real log: requests and answers on their topics, and no observation twice but as duplicate."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import replace

import pytest
from aiokafka import TopicPartition

from ingest.pipeline.intake import REPLAYED_SEQUENCE
from ingest.pipeline.publisher import new_producer
from ingest.pipeline.quarantine_replay import new_replay_consumer
from tests.integration.ingest.ingest_role import (
    all_messages,
    all_observations,
    running_ingest,
)
from tests.support.brokers.kafka_reader import READ_TIMEOUT_S, read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.model_source import FakeModelSource
from tests.support.cities.small_cities import small_city
from tests.support.pipelines.intake import make_intake, make_message, noise_payload
from twin.model.city_model import CityModel
from twin.wire.messages import QUARANTINE, QuarantinedMessage

NEW = "livetwin/town/noise-9/observations"


def with_noise_9() -> CityModel:
    model = small_city(2)
    sensor = replace(model.sensors["noise-1"], id="noise-9", device="noise-9")
    datastream = replace(model.datastreams[1], id=9, sensor="noise-9")
    return replace(
        model, sensors={**model.sensors, "noise-9": sensor}, datastreams={**model.datastreams, 9: datastream}
    )


def unassigned(count: int) -> list[QuarantinedMessage]:
    """Return what an unknown sensor sent, the newest first."""
    intake = make_intake()
    payloads = [noise_payload(50.0 + number, f"2026-11-23T11:59:{58 - number}Z") for number in range(count)]
    taken = [intake.process(make_message(payload, NEW), number) for number, payload in enumerate(payloads)]
    return [one.quarantined for one in taken if one.quarantined is not None]


async def ask(kafka: str, values: list[bytes]) -> None:
    producer = new_producer(kafka)
    await producer.start()
    try:
        for confirmation in [await producer.send("replays", value, partition=0) for value in values]:
            await confirmation
    finally:
        await producer.stop()


async def answers(kafka: str, count: int) -> list[QuarantinedMessage]:
    records = await read_until(kafka, "quarantine", 1, lambda found: len(found) >= count)
    return [QUARANTINE.decode(record.value) for record in records]


async def until_received(mqtt: tuple[str, int], kafka: str) -> None:
    """Publish until a message has come through: ingest may not have subscribed yet."""
    for _ in range(20):
        await asyncio.to_thread(publish, mqtt, [("livetwin/town/noise-1/observations", noise_payload(60.0))])
        with suppress(AssertionError):
            await read_until(
                kafka, "observations", 4, lambda found: bool(all_observations(found)), timeout_s=0.5
            )
            return
    raise AssertionError("ingest received nothing")


async def until_committed(kafka: str, offset: int) -> None:
    consumer = new_replay_consumer(kafka)
    await consumer.start()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            # Each look is a question to the broker.
            while await consumer.committed(TopicPartition("replays", 0)) != offset:
                continue
    finally:
        await consumer.stop()


async def test_messages_of_a_sensor_that_was_added_later_are_replayed_in_order_of_event_time(
    mqtt: tuple[str, int], kafka: str
) -> None:
    originals = unassigned(20)
    model = FakeModelSource(small_city())
    async with running_ingest(mqtt, kafka, model):
        # Asked for just before ingest knows of the sensor, as who adds it and replays at once does.
        await ask(kafka, [QUARANTINE.encode(one) for one in originals])
        model.publish_model(with_noise_9())
        received = await answers(kafka, 20)
        records = await read_until(kafka, "observations", 4, lambda found: len(all_observations(found)) >= 20)
    assert {(one.replay_of, one.reason, one.observations) for one in received} == {
        (one.id, "", 1) for one in originals
    }
    times = [one.phenomenon_time for one in all_observations(records)]
    assert times == sorted(times)
    for _, header, payload in all_messages(records):
        assert header.sequence == REPLAYED_SEQUENCE
        assert header.received_time == originals[0].received_time
        assert header.payload_sha256 == hashlib.sha256(payload).digest()


async def test_a_second_replay_creates_only_duplicates(mqtt: tuple[str, int], kafka: str) -> None:
    (original,) = unassigned(1)
    model = FakeModelSource(small_city())
    model.publish_model(with_noise_9())
    async with running_ingest(mqtt, kafka, model):
        await ask(kafka, [QUARANTINE.encode(original)] * 2)
        received = await answers(kafka, 2)
        records = await read_until(kafka, "observations", 4, lambda found: len(all_observations(found)) >= 2)
    assert len(set(all_observations(records))) == 1
    assert {one.replay_of for one in received} == {original.id}
    assert len({one.id for one in received}) == 2


async def test_answered_requests_are_not_repeated_after_a_restart(mqtt: tuple[str, int], kafka: str) -> None:
    first, second = unassigned(2)
    for original in (first, second):
        async with running_ingest(mqtt, kafka):
            await ask(kafka, [QUARANTINE.encode(original)])
            count = 1 if original is first else 2
            received = await answers(kafka, count)
            await until_committed(kafka, count)
    assert [(one.replay_of, one.reason) for one in received] == [
        (first.id, "unknown-sensor"),
        (second.id, "unknown-sensor"),
    ]


@pytest.mark.parametrize("unreadable", [b"", b"\xff\xff", b"\x91\x09"])
async def test_an_unreadable_request_does_not_block_the_next(
    unreadable: bytes, mqtt: tuple[str, int], kafka: str
) -> None:
    (original,) = unassigned(1)
    model = FakeModelSource(small_city())
    model.publish_model(with_noise_9())
    async with running_ingest(mqtt, kafka, model):
        await ask(kafka, [unreadable, QUARANTINE.encode(original)])
        (received,) = await answers(kafka, 1)
    assert (received.replay_of, received.reason) == (original.id, "")


async def test_messages_do_not_wait_for_a_replay_that_waits_for_the_model(
    mqtt: tuple[str, int], kafka: str
) -> None:
    (original,) = unassigned(1)
    async with running_ingest(mqtt, kafka):
        await ask(kafka, [QUARANTINE.encode(original)])
        await until_received(mqtt, kafka)
        records = await read_until(kafka, "observations", 4, lambda found: bool(all_observations(found)))
        (answer,) = await read_until(kafka, "quarantine", 1, bool)
    live = next(record for record in records if all_observations([record]))
    assert live.timestamp < answer.timestamp
