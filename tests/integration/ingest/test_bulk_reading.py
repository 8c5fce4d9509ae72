"""The wait of bulk reading: messages that arrive meanwhile form one batch, and acknowledgements do not wait.

Here the wait lasts until the next batch is requested.
"""

from __future__ import annotations

import asyncio

import mqtt5

from tests.integration.ingest.mqtt_sessions import TOPIC, message_numbers, open_session
from tests.support.brokers.scripted_broker import ScriptedConnection, scripted_broker

UNREQUESTED_S_MAX = 60.0


def publish(number: int) -> bytes:
    return mqtt5.PublishPacket(TOPIC, b"%d" % number, qos=mqtt5.QoS(1), packet_id=number).write()


async def test_messages_that_arrive_during_a_batch_form_the_next_one() -> None:
    arrived, taken = asyncio.Event(), asyncio.Event()

    async def script(connection: ScriptedConnection) -> None:
        await connection.send(publish(1))
        await taken.wait()
        for number in range(2, 101):
            await connection.send(publish(number))
        arrived.set()
        await connection.until_closed()

    async with (
        scripted_broker(script) as address,
        open_session(address, unrequested_s_max=UNREQUESTED_S_MAX) as session,
    ):
        assert message_numbers(await session.next_batch(1_000)) == [1]
        taken.set()
        await arrived.wait()
        assert message_numbers(await session.next_batch(1_000)) == list(range(2, 101))


async def test_acknowledgements_are_written_while_reading_waits() -> None:
    async def script(connection: ScriptedConnection) -> None:
        await connection.send(publish(1))
        await taken.wait()
        await connection.send(publish(2))
        sent.set()
        acknowledged.extend(await connection.next_acknowledgements(1))
        written.set()
        await connection.until_closed()

    taken, sent, written = asyncio.Event(), asyncio.Event(), asyncio.Event()
    acknowledged: list[int] = []
    async with (
        scripted_broker(script) as address,
        open_session(address, unrequested_s_max=UNREQUESTED_S_MAX) as session,
    ):
        first = await session.next_batch(1_000)
        taken.set()
        await sent.wait()
        session.acknowledge(first)
        await written.wait()
        assert acknowledged == [1]
        assert message_numbers(await session.next_batch(1_000)) == [2]
