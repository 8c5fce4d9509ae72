"""TCP keep-alive: a connection without acknowledgements is closed; our connections have it enabled."""

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
    """Return the port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def _kafka_keepalive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka.conn, "AIOKafkaProtocol", aiokafka.conn.AIOKafkaProtocol)
    tcp_keepalive.enable_kafka_keepalive()


def user_timeout_ms(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


async def test_unacknowledged_data_closes_the_connection(listener: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener)
    connection = writer.get_extra_info("socket")
    tcp_keepalive.enable_keepalive(connection, user_timeout_ms=300)
    drop_incoming(connection)
    writer.write(b"anybody there?")
    with pytest.raises(TimeoutError, match="timed out"):
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()
    writer.close()


@pytest.mark.usefixtures("_kafka_keepalive")
async def test_connections_to_kafka_have_keepalive(kafka: str) -> None:
    consumer = new_consumer(kafka)
    await consumer.start()
    try:
        await consumer.topics()
        port = int(kafka.rpartition(":")[2])
        timeouts = [user_timeout_ms(connection) for connection in sockets_to(os.getpid(), port)]
        assert tcp_keepalive.USER_TIMEOUT_MS in timeouts
    finally:
        await consumer.stop()


def test_connections_to_the_mqtt_broker_have_keepalive(listener: int) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    access = MqttAccess(host="127.0.0.1", port=listener)
    access.configure_client(client)
    client.connect_async(access.host, access.port)
    assert client.on_socket_open is not None
    with socket.create_connection(("127.0.0.1", listener)) as connection:
        client.on_socket_open(client, None, connection)
        assert user_timeout_ms(connection) == tcp_keepalive.USER_TIMEOUT_MS
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
