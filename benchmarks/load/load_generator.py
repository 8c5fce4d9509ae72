"""The load generator: messages at a steady rate, or as fast as the broker acknowledges, on a few connections.

At every tick, a few milliseconds, each connection sends the messages that are due. It sends for consecutive
sensors, so that the messages of a tick belong to one or two connections. Message n is due at n / rate after
the start, whatever happened to earlier ones: a slow broker makes messages late, which is reported, but does
not lower the rate. The time in a message is that of its tick, read before the packets are made. A second
message of a sensor in the same tick has a time one microsecond later, so that no two are equal.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.backlog import Backlog
from benchmarks.load.connection_state import ConnectionState
from benchmarks.load.packets import Packets
from benchmarks.load.traffic import LoadTraffic, Numbers
from benchmarks.measure.worker_process import WorkerChannel
from runtime.clock import system_clock
from twin.instant import Instant

PUBACK_TIMEOUT_S = 30.0

# When messages are later than this, the load stops: the broker does not reach the rate at all.
LATE_S_MAX = 30.0

TICK_S = 0.003
TICKS_A_READ = 4
"""Ticks between two reads of acknowledgements: a read costs as much as some messages."""

IN_FLIGHT_MAX = 4_000
"""Greatest number of unacknowledged messages on a connection; the broker may allow less."""

FLAT_OUT = 0
"""As a rate: as fast as the broker acknowledges."""

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What to send, and where."""

    traffic: LoadTraffic
    host: str
    port: int
    rate: float  #: messages a second, or FLAT_OUT
    messages: int
    connections: int  #: a divisor of the number of sensors: a sensor keeps its connection, and so its order
    seconds_max: float = float("inf")  #: after which sending stops
    backlog: Backlog | None = None  #: the limit of messages under way; None: no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The result of sending. Element n of each array belongs to message n."""

    published: Numbers  #: publish instants; 0 where it was not sent
    acknowledged: NDArray[np.bool_]
    late_us: Numbers  #: delay after the due time, of sent messages
    without_subscriber: int  #: acknowledged without a subscriber, or refused
    sending_s: float  #: from the first message to the last
    acknowledging_s: float  #: from the first message to the last acknowledgement
    cpu_s: float  #: processor time of the generator


async def generate_load(channel: WorkerChannel, options: LoadOptions) -> None:
    """Connect and send "ready"; at "go" send the load, then the LoadResult; run until the next message.

    Any message during the load stops it.
    """
    load = _Load(channel, options)
    channel.send("ready")
    await channel.receive()
    channel.send(load.run())
    load.close()
    await channel.receive()


class _Load:
    def __init__(self, channel: WorkerChannel, options: LoadOptions) -> None:
        if options.traffic.sensors % options.connections:
            raise ValueError(
                f"{options.traffic.sensors} sensors do not spread over {options.connections} connections: "
                "expected a number that divides them"
            )
        self._channel = channel
        self._options = options
        self._packets = Packets(options.traffic)
        self._sensors_each = options.traffic.sensors // options.connections
        self._published: Numbers = np.zeros(options.messages, np.int64)
        self._late: Numbers = np.zeros(options.messages, np.int64)
        self._acknowledged = np.zeros(options.messages, np.bool_)
        self._last = 0
        self._is_sending = True
        self._connections = [
            ConnectionState(
                options.host,
                options.port,
                index=number,
                sensors_each=self._sensors_each,
                sensors=options.traffic.sensors,
                in_flight_max=IN_FLIGHT_MAX,
            )
            for number in range(options.connections)
        ]

    def run(self) -> LoadResult:
        """Send all messages, and wait for their acknowledgements until the timeout."""
        cpu = time.process_time()
        begin = sent = now = time.monotonic()
        ticks = 0
        while self._is_sending or (self._is_waiting() and now - sent < PUBACK_TIMEOUT_S):
            self._exchange(ticks % TICKS_A_READ == 0 or not self._is_sending)
            if self._is_sending:
                self._send(now - begin)
                sent = now
            now = self._tick(now)
            ticks += 1
        return LoadResult(
            published=self._published,
            acknowledged=self._acknowledged,
            late_us=self._late[self._published > 0],
            without_subscriber=sum(connection.without_subscriber for connection in self._connections),
            sending_s=sent - begin,
            acknowledging_s=max(connection.last_acknowledged for connection in self._connections) - begin,
            cpu_s=time.process_time() - cpu,
        )

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    def _exchange(self, reads: bool) -> None:
        """Send the rest of earlier data; read acknowledgements."""
        for connection in self._connections:
            connection.flush()
            if reads:
                connection.read_pubacks(self._acknowledged)

    def _is_waiting(self) -> bool:
        return any(connection.acknowledged < connection.sent for connection in self._connections)

    def _tick(self, last: float) -> float:
        """Wait for the end of a tick; return its time."""
        blocked = [connection for connection in self._connections if connection.is_blocked]
        ahead = max(0.0, last + TICK_S - time.monotonic())
        if select.select([self._channel], blocked, [], ahead)[0]:
            self._channel.receive_blocking()
            self._is_sending = False
        return time.monotonic()

    def _send(self, elapsed_s: float) -> None:
        """Send the messages that are due."""
        options = self._options
        due = options.messages
        if options.rate != FLAT_OUT:
            due = min(due, int(elapsed_s * options.rate) + 1)
        if options.backlog is not None:
            due = min(due, options.backlog.messages_max(options.traffic.pack))
        now = system_clock()
        for connection in self._connections:
            numbers = connection.due_messages(due)
            if len(numbers):
                self._note(numbers, elapsed_s, now)
                packet_ids = connection.packet_ids(len(numbers))
                connection.send(
                    numbers, packet_ids, self._packets.make(numbers, packet_ids, self._published[numbers])
                )
        all_sent = sum(connection.sent for connection in self._connections) >= options.messages
        self._is_sending = not all_sent and elapsed_s < options.seconds_max

    def _note(self, numbers: Numbers, elapsed_s: float, now: Instant) -> None:
        """Record publish time and delay of the messages of a connection."""
        instants = max(now, self._last + 1) + np.arange(len(numbers)) // self._sensors_each
        self._last = int(instants[-1])
        self._published[numbers] = instants
        if (rate := self._options.rate) == FLAT_OUT:
            return
        late = np.maximum(0, elapsed_s * _SECOND_US - numbers * (_SECOND_US / rate)).astype(np.int64)
        self._late[numbers] = late
        latest = int(late.argmax())
        if late[latest] > LATE_S_MAX * _SECOND_US:
            raise TimeoutError(
                f"message {numbers[latest]} is {LATE_S_MAX:.0f} s late: the broker does not keep up"
            )
