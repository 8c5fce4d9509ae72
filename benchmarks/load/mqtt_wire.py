"""The MQTT 5 packets of a publishing device, written and read without a client library, for speed.

Section numbers are those of the OASIS standard, MQTT Version 5.0.
"""

from __future__ import annotations

from collections.abc import Iterator

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CONNACK = 0x20
PUBACK = 0x40
RECEIVE_MAX_DEFAULT = 65_535

DISCONNECT_PACKET = b"\xe0\x00"

_KEEPALIVE_S = 300
_CLEAN_START, _WILL, _NAME_AND_PASSWORD = 0x02, 0x04, 0xC0
_PUBLISH_QOS_1 = b"\x32"
_NO_PROPERTIES = b"\x00"


def connect_packet(
    client_id: str, *, account: tuple[str, str] | None = None, will: tuple[str, bytes] | None = None
) -> bytes:
    """Return CONNECT (3.1): clean start, no session; name and password, topic and payload of a will."""
    flags = _CLEAN_START
    fields = [_text(client_id.encode())]
    if will is not None:
        flags |= _WILL
        fields += [_NO_PROPERTIES, _text(will[0].encode()), _text(will[1])]
    if account is not None:
        flags |= _NAME_AND_PASSWORD
        fields += [_text(one.encode()) for one in account]
    body = b"".join(
        (_text(b"MQTT"), bytes([5, flags]), _KEEPALIVE_S.to_bytes(2, "big"), _NO_PROPERTIES, *fields)
    )
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: bytes, packet_id: int, payload: bytes) -> bytes:
    """Return PUBLISH (3.3) with QoS 1; `topic` is the result of `topic_field`."""
    length = _length(len(topic) + 3 + len(payload))
    return b"".join((_PUBLISH_QOS_1, length, topic, packet_id.to_bytes(2, "big"), _NO_PROPERTIES, payload))


def topic_field(topic: str) -> bytes:
    """Return a topic in the encoding of PUBLISH; equal for all messages of a sensor."""
    return _text(topic.encode())


def receive_max(connack: bytes) -> int:
    """Return how many unacknowledged messages the broker accepts (3.2.2.3.3).

    Raises ConnectionError when the broker refuses the connection.
    """
    if connack[1]:
        raise ConnectionError(f"the MQTT broker refused the connection, reason 0x{connack[1]:02x}")
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    properties.unpack(connack[2:])  # type: ignore[no-untyped-call]
    return int(getattr(properties, "ReceiveMaximum", RECEIVE_MAX_DEFAULT))


class PacketReader:
    """Splits the bytes from the broker into packets."""

    def __init__(self) -> None:
        self.rest = b""  #: an incomplete packet at the end

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield type (upper four bits) and content of each packet that is complete."""
        data = self.rest + data
        at = 0
        while (header := _header(data, at)) is not None and header[0] + header[1] <= len(data):
            start, length = header
            yield data[at] & 0xF0, data[start : start + length]
            at = start + length
        self.rest = data[at:]


def _header(data: bytes, at: int) -> tuple[int, int] | None:
    """Return start and length of the content of the packet at `at`; None when the header is incomplete."""
    length = 0
    for index in range(4):
        place = at + 1 + index
        if place >= len(data):
            return None
        length |= (data[place] & 0x7F) << 7 * index
        if data[place] < 0x80:
            return place + 1, length
    raise ConnectionError("the MQTT broker sent a packet without a valid length")


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
