"""Publishes messages in exactly a given order over one connection, as fast as they are acknowledged."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from itertools import islice

from benchmarks.load.mqtt_wire import (
    CONNACK,
    DISCONNECT_PACKET,
    PUBACK,
    PacketReader,
    connect_packet,
    publish_packet,
    receive_max,
    topic_field,
)

IN_FLIGHT_MAX = 2_000
BATCH = 200
TIMEOUT_S = 60.0
_PACKET_IDS = 65_535
_PACKET_ID_BYTES = 2


class SequencePublisher:
    """One connection to the broker, as a context manager."""

    def __init__(self, host: str, port: int, client: str) -> None:
        self._socket = socket.create_connection((host, port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = PacketReader()
        self._topics: dict[str, bytes] = {}
        self._next = 0
        self._in_flight = 0
        self._socket.sendall(connect_packet(client))
        self._in_flight_max = IN_FLIGHT_MAX
        while not self._read():
            pass

    def __enter__(self) -> SequencePublisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendall(DISCONNECT_PACKET)
        self._socket.close()

    def publish(self, messages: Iterable[tuple[str, bytes]]) -> int:
        """Publish messages with QoS 1; return their number when all are acknowledged."""
        count, remaining = 0, iter(messages)
        while batch := list(islice(remaining, BATCH)):
            while self._in_flight and self._in_flight + len(batch) > self._in_flight_max:
                self._read()
            self._socket.sendall(b"".join(self._packets(batch)))
            self._in_flight += len(batch)
            count += len(batch)
        while self._in_flight:
            self._read()
        return count

    def _packets(self, batch: list[tuple[str, bytes]]) -> Iterator[bytes]:
        for topic, payload in batch:
            field = self._topics.get(topic)
            if field is None:
                field = self._topics[topic] = topic_field(topic)
            self._next = self._next % _PACKET_IDS + 1
            yield publish_packet(field, self._next, payload)

    def _read(self) -> bool:
        """Read what the broker sent; return whether it accepted the connection in it."""
        accepted = False
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the MQTT broker closed the connection")
        for kind, content in self._reader.feed(data):
            if kind == PUBACK:
                self._in_flight -= 1
                if len(content) > _PACKET_ID_BYTES and content[_PACKET_ID_BYTES]:
                    raise ConnectionError(f"the MQTT broker refused a message, reason 0x{content[2]:02x}")
            elif kind == CONNACK:
                accepted = True
                self._in_flight_max = min(IN_FLIGHT_MAX, receive_max(content))
        return accepted
