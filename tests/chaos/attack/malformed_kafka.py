"""Oversized and malformed requests to the embedded broker of the Kafka protocol."""

from __future__ import annotations

import asyncio
import random
import struct

from tests.chaos.attack.attack import LOOPBACK, AttackTarget, Met, RepeatedAttack

_WAIT_S = 2.0
_CONNECT_S_MAX = 5.0
_LARGE = 4 << 20

# The requests that the broker knows: key and version.
KNOWN = (
    (0, 3),
    (1, 4),
    (2, 2),
    (3, 2),
    (8, 3),
    (9, 3),
    (10, 1),
    (11, 2),
    (12, 1),
    (13, 1),
    (14, 1),
    (18, 0),
    (19, 1),
    (20, 1),
    (21, 0),
)


def framed(content: bytes, size: int | None = None) -> bytes:
    """Return a request with its size, or a false one."""
    return struct.pack(">i", len(content) if size is None else size) + content


def header(key: int, version: int, client: bytes = b"attacker", length: int | None = None) -> bytes:
    """Return the header of a request, with a false length of the client's name if asked."""
    return struct.pack(">hhih", key, version, 1, len(client) if length is None else length) + client


def malformed_requests(dice: random.Random) -> dict[str, bytes]:
    """Return requests that the broker must refuse, by what is wrong with them."""
    key, version = dice.choice(KNOWN)
    return {
        "random bytes": dice.randbytes(dice.randrange(1, 5_000)),
        "negative size": framed(b"", -1),
        "size 0": framed(b"", 0),
        "size of 2 GiB": framed(b"x" * 1_000, 2**31 - 1),
        "size beyond the request": framed(dice.randbytes(1_000) * (_LARGE // 1_000), 64 << 20),
        "unknown request": framed(header(dice.randrange(100, 32_000), 0)),
        "other version": framed(header(key, version + dice.choice((-3, 5, 99)))),
        "random body": framed(header(key, version) + dice.randbytes(dice.randrange(0, 2_000))),
        "no body": framed(header(key, version)),
        "huge array": framed(header(key, version) + b"\x7f\xff\xff\xff" * 20),
        "negative lengths": framed(header(key, version) + b"\xff\xfe" * 40),
        "name longer than the request": framed(header(key, version, length=32_000)),
        "name that is not UTF-8": framed(header(key, version, b"\xff\xfe\xc0") + b"\x00" * 50),
        "zeros": framed(header(key, version) + b"\x00" * dice.randrange(0, 200)),
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    }


class MalformedKafka(RepeatedAttack):
    """A request that is wrong."""

    name = "malformed Kafka requests"

    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        requests = malformed_requests(dice)
        met.add(await exchange(target.kafka_port, requests[dice.choice(sorted(requests))]))


async def exchange(port: int, data: bytes) -> str:
    """Send bytes; return whether the server answers, closes the connection, or waits. Raises OSError."""
    async with asyncio.timeout(_CONNECT_S_MAX):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        async with asyncio.timeout(_WAIT_S):
            writer.write(data)
            await writer.drain()
            return "answered" if await reader.read(1 << 16) else "closed"
    except TimeoutError:
        return "no answer"
    except ConnectionError:
        return "closed"
    finally:
        writer.transport.abort()
