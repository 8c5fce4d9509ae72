"""A connection on which nothing arrives any more is given up, and those that we make are looked after."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import aiokafka.conn
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from runtime import tcp_keepalive
from runtime.kafka.consumer import new_consumer
from runtime.mqtt.access import MqttAccess
from tests.support.processes.connection_faults import sockets_to
from tests.support.processes.process_faults import drop_incoming

DEADLINE_S = 60.0


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a machine that acknowledges, and on which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def _kafka_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka.conn, "AIOKafkaProtocol", aiokafka.conn.AIOKafkaProtocol)
    tcp_keepalive.enable_kafka_keepalive()


def patience_ms(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


async def test_what_nobody_acknowledges_ends_the_connection(
    listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_keepalive, "UNACKNOWLEDGED_MS_MAX", 300)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener)
    connection = writer.get_extra_info("socket")
    tcp_keepalive.enable_keepalive(connection)
    drop_incoming(connection)
    writer.write(b"anybody there?")
    with pytest.raises(TimeoutError, match="timed out"):
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()
    writer.close()


@pytest.mark.usefixtures("_kafka_looked_after")
async def test_connections_to_kafka_are_looked_after(kafka: str) -> None:
    consumer = new_consumer(kafka)
    await consumer.start()
    try:
        await consumer.topics()
        port = int(kafka.rpartition(":")[2])
        found = [patience_ms(one) for one in sockets_to(os.getpid(), port)]
        assert tcp_keepalive.USER_TIMEOUT_MS in found
    finally:
        await consumer.stop()


def test_connections_to_the_mqtt_broker_are_looked_after(listener: int) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    access = MqttAccess(host="127.0.0.1", port=listener)
    access.configure_client(client)
    client.connect_async(access.host, access.port)
    with socket.create_connection(("127.0.0.1", listener)) as connection:
        client.on_socket_open(client, None, connection)
        assert patience_ms(connection) == tcp_keepalive.USER_TIMEOUT_MS
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
