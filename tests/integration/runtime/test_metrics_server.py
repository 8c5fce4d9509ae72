"""Connections to /metrics are few: those that do not finish their request make room."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from runtime.telemetry.metrics_server import (
    CONNECTIONS_MAX,
    SILENCE_S_MAX,
    MetricsServer,
    RequestHandler,
    start_metrics_server,
)
from tests.support.waiting import wait_until


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    registry = CollectorRegistry()
    Counter("seen", "Counted.", registry=registry).inc(3)
    running = start_metrics_server(registry, "127.0.0.1", 0)
    yield running
    running.shutdown()
    running.server_close()


def url(server: MetricsServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/metrics"


def test_metrics_are_served(server: MetricsServer) -> None:
    assert "seen_total 3.0" in httpx.get(url(server)).raise_for_status().text
    wait_until(lambda: server.connections == 0, lambda: f"{server.connections} connections")


def test_connections_that_stay_make_room_for_others(server: MetricsServer) -> None:
    with ExitStack() as stack:
        idle = []
        for _ in range(3 * CONNECTIONS_MAX):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port)))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
            idle.append(connection)
        # The server has taken all of them when it answers a later one.
        assert "seen_total 3.0" in httpx.get(url(server)).raise_for_status().text
        for connection in idle[: 2 * CONNECTIONS_MAX]:
            connection.settimeout(SILENCE_S_MAX / 2)  # it was closed, and not because it is silent
            assert b"seen_total" not in connection.recv(1 << 16)
        assert server.connections <= CONNECTIONS_MAX


def test_a_silent_connection_is_closed(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert RequestHandler.timeout == SILENCE_S_MAX
    monkeypatch.setattr(RequestHandler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        connection.settimeout(SILENCE_S_MAX / 2)
        assert connection.recv(1) == b""


def test_the_error_of_a_connection_leaves_no_traceback(
    server: MetricsServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        # Closing with a reset instead of an end, in the middle of a request.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(b"GET /metrics HTTP/1.1\r\n")
    httpx.get(url(server)).raise_for_status()
    wait_until(lambda: server.connections == 0, lambda: f"{server.connections} connections")
    assert "Traceback" not in capfd.readouterr().err
