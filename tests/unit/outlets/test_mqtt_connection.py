"""The broker as an outlet hears it: however its packets arrive, and when they no longer do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlets.mqtt_connection import (
    MqttConnection,
    MqttConnectionLostError,
    MqttConnectionOptions,
    open_mqtt_connection,
    payload_digest,
)
from runtime.mqtt.access import MqttAccess
from tests.support.waiting import WAIT_S

WELCOME = mqtt5.ConnAckPacket(receive_max=7).write()


def options(port: int = 1) -> MqttConnectionOptions:
    return MqttConnectionOptions(broker=MqttAccess(host="127.0.0.1", port=port), keepalive_s=1)


@asynccontextmanager
async def broker_that_says(*answers: bytes) -> AsyncIterator[MqttConnectionOptions]:
    """A peer that answers the first packets that it gets, and is silent then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(65_536)
            writer.write(answer)
        with suppress(asyncio.CancelledError):  # the end of the test
            while await reader.read(65_536):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield options(server.sockets[0].getsockname()[1])


@given(st.data())
def test_what_is_heard_does_not_depend_on_how_it_arrives(data: st.DataObject) -> None:
    told = {f"livetwin/city/entities/city.{size}/state": b"x" * size for size in (1, 100, 20_000)}
    packets = [
        WELCOME,
        *(mqtt5.PublishPacket(topic, payload, retain=True).write() for topic, payload in told.items()),
        mqtt5.PublishPacket("livetwin/city/entities/city.9/state", b"news").write(),
        mqtt5.PubAckPacket(1).write(),
    ]
    whole = b"".join(packets)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))

    async def hear() -> None:
        broker = MqttConnection(options())
        await broker.publish("livetwin/city/entities/city.9/state", b"news", retain=False)
        for begin, end in pairwise([0, *cuts, len(whole)]):
            broker.data_received(whole[begin:end])
        async with asyncio.timeout(WAIT_S):
            await broker.wait_confirmed()
        assert broker._retained == {topic: payload_digest(payload) for topic, payload in told.items()}
        assert broker._connack.result() == 7
        broker.close()

    asyncio.run(hear())


async def test_a_broker_that_falls_silent_is_lost() -> None:
    async with (
        broker_that_says(WELCOME) as place,
        open_mqtt_connection(place) as broker,
        asyncio.timeout(WAIT_S),
    ):
        assert await broker.wait_lost() == "it has stopped to answer"
        with pytest.raises(MqttConnectionLostError, match="it has stopped to answer"):
            await broker.publish("a", b"", retain=True)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED).write(),
            r"it refuses the connection \(not authorized\)",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n" * 9, "it sent what is no MQTT"),
        (
            mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_BUSY).write(),
            "server busy",
        ),
    ],
)
async def test_why_there_is_no_connection_is_said(answer: bytes, told: str) -> None:
    async with broker_that_says(answer) as place:
        with pytest.raises(MqttConnectionLostError, match=told):
            async with open_mqtt_connection(place):
                pass


async def test_a_topic_that_is_refused_is_told_once_and_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = MqttConnection(options())
    for number in (1, 2):
        await broker.publish("a", b"", retain=True)
        refusal = mqtt5.PubAckPacket(number, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED)
        broker.data_received(refusal.write())
    await broker.wait_confirmed()
    assert [one.message for one in caplog.records] == [
        "MQTT at 127.0.0.1:1 refuses messages to a: not authorized"
    ]
    broker.close()
