"""The non-blocking state of one connection of the load generator: messages due, sent and acknowledged."""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.mqtt_wire import (
    CONNACK,
    DISCONNECT_PACKET,
    PUBACK,
    PacketReader,
    connect_packet,
    receive_max,
)
from benchmarks.load.packets import Rows
from benchmarks.load.traffic import Numbers

CONNECT_TIMEOUT_S = 10.0

_SUCCESS = 0
_REASON_AT = 4  #: index of the reason code, which is absent for success

_PACKET_IDS = 65_535
_RECEIVE_BYTES = 1 << 18
_NONE: Numbers = np.empty(0, np.int64)


class ConnectionState:
    """Connection number `index`; it sends for `sensors_each` sensors, and counts its own messages."""

    def __init__(
        self, host: str, port: int, *, index: int, sensors_each: int, sensors: int, in_flight_max: int
    ) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.without_subscriber = 0
        self.last_acknowledged = 0.0
        self._index = index
        self._each = sensors_each
        self._sensors = sensors
        self._socket = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in_flight_max = min(in_flight_max, self._connect(f"benchmark-{index}"), _PACKET_IDS)
        self._socket.setblocking(False)
        self._unsent = memoryview(b"")
        self._unread = b""
        self._waiting: Numbers = np.full(_PACKET_IDS + 1, -1, np.int64)  # packet id → message

    def fileno(self) -> int:
        """Return the socket, for `select`."""
        return self._socket.fileno()

    @property
    def is_blocked(self) -> bool:
        """Whether the socket accepts no more data for now."""
        return bool(self._unsent)

    def due_messages(self, due: int) -> Numbers:
        """Return the numbers below `due` of the messages to send now; none while blocked."""
        if self._unsent:
            return _NONE
        rounds, begun = divmod(due, self._sensors)
        wanted = rounds * self._each + min(max(begun - self._index * self._each, 0), self._each)
        upto = min(wanted, self.acknowledged + self._in_flight_max)
        if upto <= self.sent:
            return _NONE
        rounds_of, sensors = np.divmod(np.arange(self.sent, upto, dtype=np.int64), self._each)
        numbers: Numbers = rounds_of * self._sensors + self._index * self._each + sensors
        return numbers

    def packet_ids(self, count: int) -> Numbers:
        """Return the packet ids of the next `count` messages."""
        return np.arange(self.sent, self.sent + count, dtype=np.int64) % _PACKET_IDS + 1

    def send(self, numbers: Numbers, packet_ids: Numbers, rows: Rows) -> None:
        """Send messages; `flush` sends the part that the socket does not accept."""
        if (self._waiting[packet_ids] >= 0).any():
            raise ConnectionError("the MQTT broker left an early message unacknowledged")
        self._waiting[packet_ids] = numbers
        self.sent += len(numbers)
        self._unsent = memoryview(rows.tobytes())
        self.flush()

    def flush(self) -> None:
        """Send the rest of the data."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return

    def read_pubacks(self, marks: NDArray[np.bool_]) -> None:
        """Read the acknowledgements that have arrived, and mark their messages."""
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the MQTT broker closed the connection")
        pubacks = parse_pubacks(self._unread + data)
        self._unread = pubacks.rest
        numbers = self._waiting[pubacks.packet_ids]
        if (numbers < 0).any():
            raise ConnectionError("the MQTT broker acknowledged a message that was not sent")
        self._waiting[pubacks.packet_ids] = -1
        marks[numbers] = True
        self.acknowledged += len(numbers)
        self.without_subscriber += pubacks.without_subscriber
        self.last_acknowledged = time.monotonic()

    def close(self) -> None:
        """Send DISCONNECT, and close the connection."""
        self._socket.settimeout(CONNECT_TIMEOUT_S)
        self._socket.sendall(DISCONNECT_PACKET)
        self._socket.close()

    def _connect(self, name: str) -> int:
        """Send CONNECT; return how many unacknowledged messages the broker accepts."""
        self._socket.sendall(connect_packet(name))
        reader = PacketReader()
        while data := self._socket.recv(_RECEIVE_BYTES):
            for kind, content in reader.feed(data):
                if kind == CONNACK:
                    return receive_max(content)
        raise ConnectionError("the MQTT broker closed the connection")


class PubackBatch(NamedTuple):
    """The acknowledgements in a block of bytes from the broker."""

    packet_ids: Numbers
    without_subscriber: int  #: how many of them report no matching subscriber, or a refusal
    rest: bytes  #: an incomplete packet at the end


def parse_pubacks(data: bytes) -> PubackBatch:
    """Return the acknowledgements in bytes from the broker; raise ConnectionError at any other packet."""
    if len(data) < 2:
        return PubackBatch(np.empty(0, np.int64), 0, data)
    # Usually all are equally long: then they are the rows of a table.
    width = data[1] + 2
    count = len(data) // width
    table = np.frombuffer(data, np.uint8, count * width).reshape(count, width)
    rest = data[count * width :]
    are_equal = (table[:, :2] == table[:1, :2]).all() and data.startswith(rest[:2])
    if data[0] == PUBACK and width >= _REASON_AT and are_equal:
        packet_ids = table[:, 2].astype(np.int64) << 8 | table[:, 3]
        without_subscriber = int(np.count_nonzero(table[:, _REASON_AT])) if width > _REASON_AT else 0
        return PubackBatch(packet_ids, without_subscriber, rest)
    return _one_by_one(data)


def _one_by_one(data: bytes) -> PubackBatch:
    reader = PacketReader()
    packet_ids, without_subscriber = [], 0
    for kind, content in reader.feed(data):
        if kind != PUBACK:
            raise ConnectionError(f"the MQTT broker sent a packet 0x{kind:02x} where PUBACK was expected")
        packet_ids.append(int.from_bytes(content[:2], "big"))
        without_subscriber += len(content) > 2 and content[2] != _SUCCESS
    return PubackBatch(np.array(packet_ids, np.int64), without_subscriber, reader.rest)
