"""The MQTT connection of the outlets: packets in pieces, refusals, and a broker that stops answering."""

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

CONNACK = mqtt5.ConnAckPacket(receive_max=7).write()


def options(port: int = 1) -> MqttConnectionOptions:
    return MqttConnectionOptions(broker=MqttAccess(host="127.0.0.1", port=port), keepalive_s=1)


@asynccontextmanager
async def scripted_peer(*answers: bytes) -> AsyncIterator[MqttConnectionOptions]:
    """Run a peer that sends one answer after each packet it receives, then nothing more."""

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
def test_packets_are_read_alike_however_they_are_cut(data: st.DataObject) -> None:
    retained = {f"livetwin/city/entities/city.{size}/state": b"x" * size for size in (1, 100, 20_000)}
    packets = [
        CONNACK,
        *(mqtt5.PublishPacket(topic, payload, retain=True).write() for topic, payload in retained.items()),
        mqtt5.PublishPacket("livetwin/city/entities/city.9/state", b"news").write(),
        mqtt5.PubAckPacket(1).write(),
    ]
    whole = b"".join(packets)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))

    async def receive() -> None:
        connection = MqttConnection(options())
        await connection.publish("livetwin/city/entities/city.9/state", b"news", retain=False)
        for begin, end in pairwise([0, *cuts, len(whole)]):
            connection.data_received(whole[begin:end])
        assert not connection._unconfirmed
        assert connection._retained == {topic: payload_digest(payload) for topic, payload in retained.items()}
        assert connection._connack.result() == 7
        connection.close()

    asyncio.run(receive())


async def test_the_connection_to_a_silent_broker_is_lost() -> None:
    async with (
        scripted_peer(CONNACK) as peer,
        open_mqtt_connection(peer) as connection,
        asyncio.timeout(WAIT_S),
    ):
        assert await connection.wait_lost() == "the broker stopped answering"
        with pytest.raises(MqttConnectionLostError, match="the broker stopped answering"):
            await connection.publish("a", b"", retain=True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED).write(),
            r"the broker refuses the connection \(not authorized\)",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n" * 9, "the broker sent data that is not MQTT"),
        (
            mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_BUSY).write(),
            "server busy",
        ),
    ],
)
async def test_the_error_says_why_there_is_no_connection(answer: bytes, expected: str) -> None:
    async with scripted_peer(answer) as peer:
        with pytest.raises(MqttConnectionLostError, match=expected):
            async with open_mqtt_connection(peer):
                pass


async def test_a_refused_topic_is_logged_once_and_delays_no_other_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = MqttConnection(options())
    for number in (1, 2):
        await connection.publish("a", b"", retain=True)
        refusal = mqtt5.PubAckPacket(number, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED)
        connection.data_received(refusal.write())
    assert not connection._unconfirmed
    assert [record.message for record in caplog.records] == [
        "MQTT at 127.0.0.1:1 refuses messages to a: not authorized"
    ]
    connection.close()
