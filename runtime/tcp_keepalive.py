"""Liveness of connections: one on which nothing arrives any more, not even its end, is given up.

Behind a firewall that forgot a connection, or with a cable pulled, neither side is told. What the other
machine does not acknowledge is sent again and again, by Linux's own bounds for a quarter of an hour; whoever
only listens would wait for ever. A machine that acknowledges is alive, however slow what runs on it may be.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiokafka.conn

KEEPALIVE_S = 3
"""After so long a silence the other side is asked for a sign of life, and each time again."""

KEEPALIVE_PROBES_MAX = 3
"""Asked so often in vain, the connection is given up: after 3 + 3 x 3 s."""

USER_TIMEOUT_MS = 10_000
"""What was sent is acknowledged by then, or the connection is given up."""


def enable_keepalive(connection: Any) -> None:
    """Have a TCP connection given up within about ten seconds after the other side vanished.

    It is a socket, or what an event loop or paho shows of one: each has a type of its own.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES_MAX),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
    ):
        option = getattr(socket, name, None)  # Linux has them all
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


class _KafkaProtocol(aiokafka.conn.AIOKafkaProtocol):  # type: ignore[misc]
    """aiokafka's side of a connection, looked after."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        enable_keepalive(transport.get_extra_info("socket"))


def enable_kafka_keepalive() -> None:
    """Have every connection that aiokafka makes in this process from now on looked after.

    It has no option for that. Its own bounds are for an answer, which Kafka may take 40 s for, or 60.
    """
    aiokafka.conn.AIOKafkaProtocol = _KafkaProtocol
