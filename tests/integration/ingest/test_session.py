"""The MQTT session with a real Mosquitto: no unacknowledged message is lost, and memory is bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cli.embedded.mosquitto import EmbeddedMosquitto
from ingest.mqtt.message import MqttMessage
from tests.integration.ingest.mqtt_sessions import (
    TOPIC,
    message_numbers,
    numbered_messages,
    open_session,
    receive,
)
from tests.support.brokers.mqtt_publisher import publish

# Whatever reads them, the same messages come in and the same acknowledgements go out.
pytestmark = pytest.mark.usefixtures("reading")


async def test_only_unacknowledged_messages_are_sent_again(mqtt: tuple[str, int]) -> None:
    async with open_session(mqtt, receive_max=20) as session:
        await asyncio.to_thread(publish, mqtt, numbered_messages(1, 32))
        messages = await receive(session, 20, acknowledge=False)
        session.acknowledge(messages[:12])
        # The broker sends on only when it has taken the acknowledgements in.
        assert message_numbers(await receive(session, 12, acknowledge=False)) == list(range(21, 33))
    async with open_session(mqtt) as session:
        assert message_numbers(await receive(session, 20)) == list(range(13, 33))


async def test_messages_wait_in_the_broker_while_ingest_is_away(mqtt: tuple[str, int]) -> None:
    async with open_session(mqtt):
        pass
    await asyncio.to_thread(publish, mqtt, numbered_messages(1, 3_000))
    async with open_session(mqtt) as session:
        assert message_numbers(await receive(session, 3_000)) == list(range(1, 3_001))


async def test_the_broker_stops_at_the_receive_maximum(mqtt: tuple[str, int]) -> None:
    async with open_session(mqtt, receive_max=10) as session:
        await asyncio.to_thread(publish, mqtt, numbered_messages(1, 100))
        first = await receive(session, 10, acknowledge=False)
        assert message_numbers(first) == list(range(1, 11))
        session.acknowledge(first[:5])
        assert message_numbers(await receive(session, 5, acknowledge=False)) == list(range(11, 16))


async def test_a_full_buffer_stops_the_reading_and_loses_nothing(mqtt: tuple[str, int]) -> None:
    async with open_session(mqtt, buffer_bytes_max=4_096) as session:
        payloads = [(TOPIC, (b"%d " % number).ljust(1_024)) for number in range(200)]
        publishing = asyncio.create_task(asyncio.to_thread(publish, mqtt, payloads))
        found: list[MqttMessage] = []
        while len(found) < 200:
            batch = await session.next_batch(1_000)
            assert sum(len(message.payload) for message in batch) <= 4_096
            found += batch
            session.acknowledge(batch)
        await publishing
        assert message_numbers(found) == list(range(200))


async def test_a_restarted_broker_continues_the_session(service_folder: Path) -> None:
    """Without a share: Mosquitto 2.0.21 does not keep shared subscriptions over its own restart."""
    broker = EmbeddedMosquitto(service_folder)
    await broker.start()
    address = ("127.0.0.1", broker.port)
    try:
        async with open_session(address, share="") as session:
            await asyncio.to_thread(publish, address, numbered_messages(1, 50))
            session.acknowledge((await receive(session, 50, acknowledge=False))[:30])
            await broker.stop()
            await broker.start()
            await asyncio.to_thread(publish, address, numbered_messages(51, 60))
            # An acknowledgement may be on its way when the broker stops: what it covered comes again too.
            again: set[int] = set()
            while not again >= set(range(31, 61)):
                again |= set(message_numbers(await receive(session, 1)))
            assert again <= set(range(1, 61))
    finally:
        await broker.stop()


async def test_messages_of_every_quality_of_service_and_size_are_received_in_order(
    mqtt: tuple[str, int],
) -> None:
    """The largest is many times what is read at once; QoS 2 is granted as QoS 1."""
    sizes = (0, 1, 127, 128, 70_000, 9, 3 << 20)
    sent = [(TOPIC, bytes([65 + number]) * size) for number, size in enumerate(sizes)]
    async with open_session(mqtt, buffer_bytes_max=8 << 20) as session:
        for qos in (0, 1, 2):
            await asyncio.to_thread(publish, mqtt, sent, qos)
            messages = await receive(session, len(sent))
            assert [(message.topic, message.payload) for message in messages] == sent
            assert {message.qos for message in messages} == {min(qos, 1)}


async def test_a_retained_message_is_received_like_any_other(mqtt: tuple[str, int]) -> None:
    """Without a share, to which none are sent."""
    await asyncio.to_thread(publish, mqtt, numbered_messages(7, 7), retain=True)
    async with open_session(mqtt, share="") as session:
        assert message_numbers(await receive(session, 1)) == [7]
