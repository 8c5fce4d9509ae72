"""Ports: a free port is reserved for the servers of whoever asked for it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from cli.embedded import ports
from cli.embedded.ports import LOOPBACK, free_port, is_port_free
from twin.errors import ServiceError


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports that are tried, the last one first, as offsets from the first port of the range."""
    offsets: list[int] = []
    monkeypatch.setattr("cli.embedded.ports.secrets.randbelow", lambda _: offsets.pop())
    return offsets


def test_a_port_is_returned_once(draws: list[int]) -> None:
    offset = free_port_offset()
    draws += [offset + 1, offset, offset]
    first = free_port()
    assert free_port() == first + 1


async def test_servers_can_listen_on_a_reserved_port_one_after_another(free_port: int) -> None:
    for _ in range(2):
        server = await asyncio.start_server(lambda _, writer: writer.close(), LOOPBACK, free_port)
        reader, writer = await asyncio.open_connection(LOOPBACK, free_port)
        assert await reader.read() == b""
        writer.close()
        assert not is_port_free(free_port)
        server.close()
        await server.wait_closed()


def test_a_port_on_which_another_process_listens_is_not_returned(draws: list[int]) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        draws += [server.getsockname()[1] - ports._FREE_FIRST] * ports._FREE_TRIES_MAX
        with pytest.raises(ServiceError, match="no free port on"):
            free_port()


def free_port_offset() -> int:
    """Return an offset whose port, and the next one, are not in use."""
    for port in range(ports._FREE_FIRST, ports._FREE_LAST):
        if all(_unbound(each) for each in (port, port + 1)):
            return port - ports._FREE_FIRST
    raise AssertionError("no two neighbouring ports are free")


def _unbound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
