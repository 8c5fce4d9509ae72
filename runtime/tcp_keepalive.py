"""TCP keep-alive: closes a connection whose peer no longer answers, within about ten seconds.

When a firewall drops a connection or a cable is pulled, no side is notified. By default Linux repeats
unacknowledged data for a quarter of an hour, and a side that only reads waits for ever. A peer that
acknowledges is alive, however slow its program is.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiokafka.conn

KEEPALIVE_S = 3
"""Idle time before the first keep-alive probe, and between probes."""

KEEPALIVE_PROBES_MAX = 3
"""Unanswered probes after which the connection is closed: after 3 + 3 x 3 s."""

USER_TIMEOUT_MS = 10_000
"""Time within which sent data must be acknowledged; otherwise the connection is closed."""


def enable_keepalive(connection: Any, *, user_timeout_ms: int = USER_TIMEOUT_MS) -> None:
    """Close a TCP connection within about ten seconds after its peer vanished.

    `connection` is a socket, or the socket-like object of an event loop or of paho: their types differ.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES_MAX),
        ("TCP_USER_TIMEOUT", user_timeout_ms),
    ):
        option = getattr(socket, name, None)  # Linux has them all
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


class _KafkaProtocol(aiokafka.conn.AIOKafkaProtocol):  # type: ignore[misc]
    """aiokafka's protocol, with keep-alive."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        enable_keepalive(transport.get_extra_info("socket"))


def enable_kafka_keepalive() -> None:
    """Enable keep-alive on every connection that aiokafka opens in this process from now on.

    aiokafka has no option for it; its own timeouts are 40 s and 60 s, for slow answers of Kafka.
    """
    aiokafka.conn.AIOKafkaProtocol = _KafkaProtocol
