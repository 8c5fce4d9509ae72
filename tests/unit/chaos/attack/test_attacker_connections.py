"""What attackers understand of the answers of brokers and servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.load.mqtt_wire import CONNACK, PUBACK
from tests.chaos.attack.attack import Met
from tests.chaos.attack.http_attacker import CLOSED, http_attacker, request
from tests.chaos.attack.mqtt_attacker import ACCEPTED, DISCONNECT, SUBACK, reason_of
from tests.chaos.attack.request_flood import note_status

LENGTH = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nHTTP/"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHTTP/\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        ((CONNACK, b"\x00\x00\x00"), ACCEPTED),
        ((CONNACK, b"\x00\x87\x00"), "not authorized"),
        ((PUBACK, b"\x00\x01"), ACCEPTED),
        ((PUBACK, b"\x00\x01\x10"), ACCEPTED),
        ((PUBACK, b"\x00\x01\x87"), "not authorized"),
        ((SUBACK, b"\x00\x01\x00\x87"), "not authorized"),
        ((DISCONNECT, b"\x8e"), "disconnected: taken over"),
        ((DISCONNECT, b"\xf0"), "disconnected: 0xf0"),
        (None, "closed"),
    ],
)
def test_the_reason_of_a_packet(packet: tuple[int, bytes] | None, reason: str) -> None:
    assert reason_of(packet) == reason


@asynccontextmanager
async def server_that_sends(data: bytes) -> AsyncIterator[int]:
    """Run a server that sends the same bytes to each connection, and closes it."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_statuses_are_read_one_after_the_other() -> None:
    answers = server_that_sends(LENGTH + CHUNKS + LENGTH)
    async with answers as port, http_attacker(port, "127.0.0.2") as attacker:
        assert [await attacker.status() for _ in range(4)] == ["404", "200", "404", CLOSED]


async def test_an_answer_that_is_no_http_is_told() -> None:
    async with server_that_sends(b"\r\n\r\n") as port, http_attacker(port, "127.0.0.2") as attacker:
        assert await attacker.status() == "unreadable answer"


async def test_a_client_that_does_not_read_notices_that_it_was_cut_off() -> None:
    async with server_that_sends(LENGTH) as port, http_attacker(port, "127.0.0.2") as attacker:
        attacker.stop_reading()
        async with asyncio.timeout(30):
            await attacker.until_closed()


def test_a_request_has_one_host_unless_others_are_given() -> None:
    assert request("/a") == b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert request("/a", "Host: x", "Host: y") == b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"
    assert request("/a", method="POST", body=b"{}").endswith(b"\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", False),
    ],
)
async def test_an_error_of_the_server_breaks_a_promise_and_a_refusal_does_not(
    answer: bytes, broken: bool
) -> None:
    async with server_that_sends(answer) as port, http_attacker(port, "127.0.0.2") as attacker:
        met = Met()
        note_status(await attacker.status(), met)
    assert bool(met.broken) is broken
    assert list(met.answers.values()) == [1]
