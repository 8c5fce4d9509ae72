"""A session reads the bytes of a broker however they arrive: in pieces, cut off, or malformed."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from pathlib import Path

import mqtt5
import pytest

from tests.integration.ingest import mqtt_sessions
from tests.integration.ingest.mqtt_sessions import TOPIC, message_numbers, receive
from tests.support.brokers.certificate_authority import CertificateAuthority
from tests.support.brokers.scripted_broker import ScriptedConnection, scripted_broker

pytestmark = pytest.mark.usefixtures("reading")

open_session = partial(mqtt_sessions.open_session, reconnect_delay_s_min=0.01)


def publish(number: int, qos: int = 1, *, duplicate: bool = False, size: int = 0) -> bytes:
    """Return PUBLISH of a message that is its number, as is its packet id."""
    return mqtt5.PublishPacket(
        TOPIC,
        (b"%d" % number).ljust(size),
        qos=mqtt5.QoS(qos),
        packet_id=number if qos else None,
        duplicate=duplicate,
        user_properties=[("name", "value")] if number % 2 else [],
    ).write()


def kinds(packets: list[object]) -> list[str]:
    return sorted(type(one).__name__ for one in packets)


async def test_packets_in_pieces_are_received_whole_and_acknowledged_in_order() -> None:
    """Cut at every byte, with packets of other kinds and of QoS 0 between them."""
    packets = [publish(1), mqtt5.PingRespPacket().write(), publish(2, 0), publish(300), publish(4)]
    done = asyncio.Event()

    async def script(connection: ScriptedConnection) -> None:
        for byte in b"".join(packets):
            await connection.send(bytes([byte]))
            await asyncio.sleep(0)
        await connection.send(b"".join(packets))
        assert await connection.next_acknowledgements(6) == [1, 300, 4] * 2
        done.set()
        await connection.until_closed()

    async with scripted_broker(script) as address, open_session(address) as session:
        assert message_numbers(await receive(session, 8)) == [1, 2, 300, 4] * 2
        await done.wait()


async def test_all_bytes_that_have_arrived_are_read_over_tls(tmp_path: Path) -> None:
    """A read gives one record of TLS, of 16 KiB at most; here are dozens of them, and a message of many."""
    authority = CertificateAuthority(tmp_path)
    identity = authority.issue("broker", "127.0.0.1")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*identity)
    done = asyncio.Event()

    async def script(connection: ScriptedConnection) -> None:
        await connection.send(b"".join(map(publish, range(1, 5_000))) + publish(5_000, size=900_000))
        assert await connection.next_acknowledgements(5_000) == list(range(1, 5_001))
        done.set()
        await connection.until_closed()

    client = ssl.create_default_context(cafile=str(authority.certificate_file))
    async with scripted_broker(script, server) as address, open_session(address, tls=client) as session:
        messages = await receive(session, 5_000)
        assert message_numbers(messages) == list(range(1, 5_001))
        assert len(messages[-1].payload) == 900_000
        await done.wait()


async def test_an_incomplete_packet_is_discarded_and_sent_again_over_the_next_connection() -> None:
    """And what was taken over the first connection is not acknowledged over the second."""
    acknowledged: list[int] = []
    done = asyncio.Event()

    async def script(connection: ScriptedConnection) -> None:
        if connection.number == 1:
            await connection.send(publish(1) + publish(2)[:-1])
            return
        await connection.send(publish(1, duplicate=True) + publish(2, duplicate=True))
        acknowledged.extend(await connection.next_acknowledgements(2))
        done.set()
        await connection.until_closed()

    async with scripted_broker(script) as address, open_session(address) as session:
        first = await receive(session, 1, acknowledge=False)
        again = await receive(session, 2, acknowledge=False)
        session.acknowledge(first + again)
        await done.wait()
    assert message_numbers(first) == [1]
    assert message_numbers(again) == [1, 2]
    assert acknowledged == [1, 2]


async def test_a_message_of_qos_2_is_received_once() -> None:
    """No broker should send one, as QoS 1 is what was asked for."""
    done = asyncio.Event()

    async def script(connection: ScriptedConnection) -> None:
        await connection.send(publish(1) + publish(2, 2) + publish(2, 2, duplicate=True))
        packets = [await connection.next_packet() for _ in range(3)]
        assert kinds(packets) == ["PubAckPacket", "PubRecPacket", "PubRecPacket"]
        await connection.send(mqtt5.PubRelPacket(2).write() + publish(3))
        packets = [await connection.next_packet() for _ in range(2)]
        assert kinds(packets) == ["PubAckPacket", "PubCompPacket"]
        done.set()
        await connection.until_closed()

    async with scripted_broker(script) as address, open_session(address) as session:
        assert sorted(message_numbers(await receive(session, 3))) == [1, 2, 3]
        await done.wait()


# The codec panics on such a topic; the panic is a BaseException.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_topic_that_is_not_utf_8_is_received_with_escapes() -> None:
    bad = b"\x32\x08\x00\x02a\xff\x00\x01\x005"

    async def script(connection: ScriptedConnection) -> None:
        await connection.send(bad + publish(6))
        assert await connection.next_acknowledgements(2) == [1, 6]
        await connection.until_closed()

    async with scripted_broker(script) as address, open_session(address) as session:
        messages = await receive(session, 2)
    assert [(one.topic, one.payload) for one in messages] == [("a\\xff", b"5"), (TOPIC, b"6")]


@pytest.mark.parametrize(
    "malformed",
    [
        b"\x32\xff\xff\xff\xff\xff\x01",  # a length of more than four bytes
        b"\x36\x08\x00\x01a\x00\x01\x00x",  # QoS 3
        b"\x32\x05\x00\x40abc",  # a topic longer than its packet
        b"\x32\x00",  # nothing at all
        b"\x00\x00",  # a packet of a type that there is not
    ],
)
async def test_malformed_data_ends_the_connection_after_the_messages_before_it(malformed: bytes) -> None:
    gone = asyncio.Event()

    async def script(connection: ScriptedConnection) -> None:
        if connection.number == 1:
            await connection.send(publish(1) + malformed + bytes(64))
            await connection.until_closed()
            gone.set()
        else:
            await connection.send(publish(2))
            await connection.until_closed()

    async with scripted_broker(script) as address, open_session(address) as session:
        assert message_numbers(await receive(session, 2)) == [1, 2]
        assert gone.is_set()
