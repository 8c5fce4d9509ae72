"""Reading MQTT in bulk: paho's session with another read path.

paho reads byte by byte and tells of one packet at a time; so does its writing of acknowledgements. Here all
that has arrived is read at once, the messages in it are decoded by `mqtt5` and handed over together, and they
are acknowledged in one write. Everything else (connecting, subscribing, keep-alive, reconnecting, TLS, QoS 2,
and the judgement of what is malformed) stays with paho: packets of other kinds, and those that the codec
refuses, are read by paho from what was read here.

This leans on private names of paho. With a version that lacks one, paho reads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

import mqtt5
from paho.mqtt.client import Client, time_func
from paho.mqtt.enums import MessageType, MQTTErrorCode

log = logging.getLogger(__name__)

# What is read at once: some two thousand messages of a single reading, one batch.
READ_BYTES_MAX = 256 * 1024

# How long what has arrived is left unread while nobody asks for it, so that it is taken together. Then it is
# read all the same: it may hold what nobody asks for here, such as the confirmation of a subscription.
UNREQUESTED_S_MAX = 0.2

OnBatch: TypeAlias = Callable[[list[mqtt5.PublishPacket]], None]
"""Takes messages of QoS 0 and 1, in the order of their arrival."""

PAHO_PRIVATE_NAMES = (
    "_sock",
    "_sock_recv",
    "_packet_read",
    "_packet_queue",
    "_loop_rc_handle",
    "_msgtime_mutex",
    "_last_bytes_received",
)

# The first byte of PUBLISH (3.3.1) with QoS 0 and 1: the lowest bit is RETAIN, the fourth DUP.
_PUBLISH_FIRST_BYTES = frozenset(0x30 | bits for bits in (0x0, 0x1, 0x8, 0x9, 0x2, 0x3, 0xA, 0xB))
_FIXED_HEADER_BYTES_MAX = 5


class BulkClient(Client):
    """A paho client that reads in bulk.

    Messages of QoS 0 and 1 come to `on_batch`, in the order of their arrival; those that paho reads come
    to `on_message`. After each batch reading rests until it is asked for, or for `UNREQUESTED_S_MAX`: so
    under load a batch is what arrived while the one before was worked on. All but `request_batch` and
    `acknowledge` happens in paho's thread.
    """

    def __init__(self, on_batch: OnBatch, **options: Any) -> None:
        super().__init__(**options)
        self.on_batch = on_batch
        self._batch_requested = True
        self._wakeup = threading.Event()  # by what ends or interrupts a rest
        self._buffer = bytearray()  # received, and not yet understood; begins with a packet
        self._needed_bytes = 1  # bytes of it before its first packet can be complete
        self._refused_packet: bytes | None = None  # the rest of a packet that paho is reading from here

    def request_batch(self) -> None:
        """Ask for the next batch."""
        self._batch_requested = True
        self._wakeup.set()

    def acknowledge(self, packets: Iterable[int]) -> None:
        """Acknowledge messages of QoS 1 by their packet ids, in this order and in one write."""
        data = b"".join([mqtt5.PubAckPacket(packet).write() for packet in packets])
        if data:
            self._packet_queue(MessageType.PUBACK, data, 0, 1)
            self._wakeup.set()

    def reconnect(self) -> MQTTErrorCode:
        """Connect anew; what the former connection left half-read is forgotten, and comes again."""
        self._buffer.clear()
        self._needed_bytes = 1
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read all that has arrived, within `READ_BYTES_MAX`."""
        code = self._wait_for_request()
        if code or self._sock is None:
            return code or MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            self._read_socket()
        except OSError:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        return (
            self._parse_buffer()
            if len(self._buffer) >= self._needed_bytes
            else MQTTErrorCode.MQTT_ERR_SUCCESS
        )

    def _wait_for_request(self) -> MQTTErrorCode:
        """Wait until asked; what is to be written meanwhile does not wait."""
        while not self._batch_requested and self._wakeup.wait(UNREQUESTED_S_MAX):
            self._wakeup.clear()
            if self.want_write() and (code := self.loop_write()):
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _read_socket(self) -> None:
        """Add to what is unread. Raises OSError when the connection has ended and nothing more came by it."""
        received = 0
        with suppress(BlockingIOError):
            # Over TLS a read gives a record of 16 KiB at most, and there may be more of them.
            while received < READ_BYTES_MAX:
                data = super()._sock_recv(READ_BYTES_MAX)
                if not data:
                    if received:
                        break
                    raise ConnectionError
                self._buffer += data
                received += len(data)
        if received:
            with self._msgtime_mutex:
                self._last_bytes_received = time_func()

    def _parse_buffer(self) -> MQTTErrorCode:
        """Take every complete packet out of what is unread."""
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while self._buffer and code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            messages, length = _parse_messages(self._buffer)
            del self._buffer[:length]
            if messages:
                self._batch_requested = False
                self.on_batch(messages)
            end = _packet_end(self._buffer)
            if end is None or end > len(self._buffer):
                self._needed_bytes = end or len(self._buffer) + 1
                break
            self._refused_packet = bytes(self._buffer[:end])
            del self._buffer[:end]
            code = self._packet_read()
            self._refused_packet = None
        return self._loop_rc_handle(code) if code > 0 else MQTTErrorCode.MQTT_ERR_SUCCESS

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._refused_packet is None:
            return super()._sock_recv(bufsize)
        data, self._refused_packet = self._refused_packet[:bufsize], self._refused_packet[bufsize:]
        return data


class SingleMessageClient(Client):
    """A paho client that reads as paho does: messages come to `on_message`."""

    def request_batch(self) -> None:
        """Do nothing: what arrives is read at once."""

    def acknowledge(self, packets: Iterable[int]) -> None:
        """Acknowledge messages of QoS 1 by their packet ids, in this order."""
        for packet in packets:
            self.ack(packet, 1)


def new_mqtt_client(on_batch: OnBatch, **options: Any) -> BulkClient | SingleMessageClient:
    """Return a client that reads in bulk; one that does not, with a warning, where that cannot be."""
    client = SingleMessageClient(**options)
    missing = [name for name in PAHO_PRIVATE_NAMES if not hasattr(client, name)]
    if not missing:
        return BulkClient(on_batch, **options)
    log.warning(
        "this version of paho-mqtt lacks %s: messages are read one by one, at a fraction of the rate",
        ", ".join(missing),
    )
    return client


def _parse_messages(data: bytearray) -> tuple[list[mqtt5.PublishPacket], int]:
    """Return the messages of QoS 0 and 1 that data begins with, and how many bytes they are."""
    messages: list[mqtt5.PublishPacket] = []
    at, end = 0, len(data)
    read, append = mqtt5.read, messages.append
    with memoryview(data) as view:
        while at < end and data[at] in _PUBLISH_FIRST_BYTES:
            try:
                packet, length = read(view[at:])
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                # Not yet complete, or malformed. The codec's own failure, on a topic that is no UTF-8, is no
                # Exception; paho takes such a message.
                break
            append(packet)  # type: ignore[arg-type]
            at += length
    return messages, at


def _packet_end(data: bytearray) -> int | None:
    """Return where the packet that data begins with ends; None when too little of it is there to tell.

    A length that is none (more than four bytes, 1.5.5) ends where that shows: paho refuses it.

    >>> [_packet_end(bytearray(data)) for data in (b"\\x30\\x05", b"\\x30\\x85\\x01", b"\\x30")]
    [7, 136, None]
    """
    length = 0
    for index, byte in enumerate(data[1 : 1 + _FIXED_HEADER_BYTES_MAX]):
        length |= (byte & 0x7F) << 7 * index
        if index == _FIXED_HEADER_BYTES_MAX - 1:
            return 1 + _FIXED_HEADER_BYTES_MAX
        if byte < 0x80:
            return 2 + index + length
    return None
