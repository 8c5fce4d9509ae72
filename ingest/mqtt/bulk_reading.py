"""A paho client that reads messages and writes acknowledgements in bulk.

paho reads byte by byte, calls back for each packet, and writes each acknowledgement alone. This client reads
all bytes that have arrived, decodes the messages in them with `mqtt5`, passes them on together, and
acknowledges them in one write. Everything else stays with paho: connecting, subscribing, keep-alive,
reconnecting, TLS, QoS 2, and malformed packets. paho reads packets of other kinds, and packets that `mqtt5`
refuses, from the bytes that were read here.

The client uses private names of paho. With a version that lacks one of them, paho reads the messages.
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

READ_BYTES_MAX = 256 * 1024
"""Bytes of one read: some two thousand messages with a single reading, one batch."""

UNREQUESTED_S_MAX = 0.2
"""How long the client waits for a request of the next batch before it reads anyway.

While it waits, more messages arrive for the batch; but other packets may have arrived, such as a SUBACK.
"""

OnBatch: TypeAlias = Callable[[list[mqtt5.PublishPacket]], None]
"""Receives messages of QoS 0 and 1, in the order of their arrival."""

PAHO_PRIVATE_NAMES: tuple[str, ...] = (
    "_sock",
    "_sock_recv",
    "_packet_read",
    "_packet_queue",
    "_loop_rc_handle",
    "_msgtime_mutex",
    "_last_bytes_received",
)

# First bytes of PUBLISH with QoS 0 and 1 (MQTT 5.0 §3.3.1): the lowest bit is RETAIN, the fourth DUP.
_PUBLISH_FIRST_BYTES = frozenset(0x30 | bits for bits in (0x0, 0x1, 0x8, 0x9, 0x2, 0x3, 0xA, 0xB))
_FIXED_HEADER_BYTES_MAX = 5


class BulkClient(Client):
    """A paho client that reads in bulk.

    It passes messages of QoS 0 and 1 to `on_batch`, and messages that paho reads to `on_message`. After each
    batch it reads no more until the next one is requested, at most for `unrequested_s_max`. So under load a
    batch contains what arrived while the previous one was processed. All methods but `request_batch` and
    `acknowledge` run in paho's thread.
    """

    def __init__(
        self, on_batch: OnBatch, *, unrequested_s_max: float = UNREQUESTED_S_MAX, **options: Any
    ) -> None:
        super().__init__(**options)
        self.on_batch = on_batch
        self._unrequested_s_max = unrequested_s_max
        self._batch_requested = True
        self._wakeup = threading.Event()  # ends or interrupts the wait for a request
        self._buffer = bytearray()  # received and not yet parsed; starts at a packet boundary
        self._needed_bytes = 1  # bytes that the first packet in the buffer has at least
        self._refused_packet: bytes | None = None  # the rest of a packet that paho reads

    def request_batch(self) -> None:
        """Let the client read the next batch."""
        self._batch_requested = True
        self._wakeup.set()

    def acknowledge(self, packets: Iterable[int]) -> None:
        """Acknowledge QoS 1 messages by their packet ids, in this order and in one write."""
        data = b"".join([mqtt5.PubAckPacket(packet).write() for packet in packets])
        if data:
            self._packet_queue(MessageType.PUBACK, data, 0, 1)
            self._wakeup.set()

    def reconnect(self) -> MQTTErrorCode:
        """Connect again; a packet that the old connection received in part is discarded, and sent again."""
        self._buffer.clear()
        self._needed_bytes = 1
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read all bytes that have arrived, up to `READ_BYTES_MAX`."""
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
        """Wait until a batch is requested; write waiting packets meanwhile."""
        while not self._batch_requested and self._wakeup.wait(self._unrequested_s_max):
            self._wakeup.clear()
            if self.want_write() and (code := self.loop_write()):
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _read_socket(self) -> None:
        """Append received bytes to the buffer. Raises OSError when the connection ended without any."""
        received = 0
        with suppress(BlockingIOError):
            # A read over TLS returns one record of at most 16 KiB; more records may have arrived.
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
        """Parse and remove every complete packet of the buffer."""
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
    """A paho client that reads as paho does, and passes each message to `on_message`."""

    def request_batch(self) -> None:
        """Do nothing: paho reads messages as they arrive."""

    def acknowledge(self, packets: Iterable[int]) -> None:
        """Acknowledge QoS 1 messages by their packet ids, in this order."""
        for packet in packets:
            self.ack(packet, 1)


def new_mqtt_client(
    on_batch: OnBatch, *, unrequested_s_max: float = UNREQUESTED_S_MAX, **options: Any
) -> BulkClient | SingleMessageClient:
    """Return a client that reads in bulk; with an unsuitable paho one that does not, and log a warning."""
    client = SingleMessageClient(**options)
    missing = [name for name in PAHO_PRIVATE_NAMES if not hasattr(client, name)]
    if not missing:
        return BulkClient(on_batch, unrequested_s_max=unrequested_s_max, **options)
    log.warning(
        "this version of paho-mqtt lacks %s: messages are read one by one, at a fraction of the rate",
        ", ".join(missing),
        extra={"event": "ingest.mqtt_no_bulk_reading"},
    )
    return client


def _parse_messages(data: bytearray) -> tuple[list[mqtt5.PublishPacket], int]:
    """Return the messages of QoS 0 and 1 at the start of the data, and their length in bytes."""
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
                # The packet is incomplete or malformed. For a topic that is not UTF-8 the codec raises a
                # BaseException that is no Exception; paho reads such a message.
                break
            append(packet)  # type: ignore[arg-type]
            at += length
    return messages, at


def _packet_end(data: bytearray) -> int | None:
    """Return where the first packet in the data ends; None when its length has not arrived yet.

    A length of more than four bytes is invalid (MQTT 5.0 §1.5.5): it ends there, and paho refuses the packet.

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
