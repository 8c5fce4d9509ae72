"""The end of a paho client."""

from __future__ import annotations

from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from runtime.mqtt.client import stop_client

UNUSED_PORT = 1
"""Nothing listens there: the port belongs to a service that no machine runs (tcpmux)."""


def open_sockets() -> set[str]:
    links = (str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink())
    return {link for link in links if link.startswith("socket:")}


def test_a_stopped_client_has_no_open_socket_before_it_is_freed() -> None:
    before = open_sockets()
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect_async("127.0.0.1", UNUSED_PORT)
    client.loop_start()
    opened = open_sockets() - before
    stop_client(client)
    assert opened
    assert not opened & open_sockets()
