"""The load: messages at a steady rate, or as fast as the broker acknowledges, over a few connections.

Every few milliseconds, a tick, what is due by then is made and sent at once for each connection, which speaks
for sensors that follow each other, so that a tick's messages are for one connection or two. Message n
is due at n / rate after the start, whatever became of those before it: a slow broker makes messages late,
which is reported, not rare. The time in a message is that of its tick, taken before the packets are made; a
sensor that speaks twice in a tick says one microsecond more the second time, so that no two messages of a
sensor say the same.
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

# Later than this, the load stops: the broker does not take the rate at all.
LATE_S_MAX = 30.0

TICK_S = 0.003
TICKS_A_READ = 4
"""Acknowledgements are read every so many ticks, as each look costs as much as some messages."""

IN_FLIGHT_MAX = 4_000
"""Unacknowledged messages on a connection, at most; the broker may allow less."""

FLAT_OUT = 0
"""The rate that means: as fast as the broker acknowledges."""

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What to send where."""

    traffic: LoadTraffic
    host: str
    port: int
    rate: float  #: messages a second, or FLAT_OUT
    messages: int
    connections: int  #: divides the number of sensors: a sensor keeps its connection, and so its order
    seconds_max: float = float("inf")  #: after which nothing more is sent
    backlog: Backlog | None = None  #: that is not to grow


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What was sent. Of all arrays, element n belongs to message n."""

    published: Numbers  #: publish instants; 0 where it was not sent
    acknowledged: NDArray[np.bool_]
    late_us: Numbers  #: how much later than due; of those sent
    without_subscriber: int  #: acknowledged, but the broker knew no subscriber, or refused
    sending_s: float  #: from the first message to the last
    acknowledging_s: float  #: from the first message to the last acknowledgement
    cpu_s: float  #: processor time of the generator meanwhile


async def generate_load(channel: WorkerChannel, options: LoadOptions) -> None:
    """Connect, say "ready", send at the word "go", answer with the LoadResult, and stay until told to end.

    Any word while it sends ends the sending.
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
        self._lanes = [
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
        """Send everything and wait for the acknowledgements; those that do not come in time are left out."""
        cpu = time.process_time()
        begin = sent = now = time.monotonic()
        ticks = 0
        while self._is_sending or (self._is_waiting() and now - sent < PUBACK_TIMEOUT_S):
            self._hear(ticks % TICKS_A_READ == 0 or not self._is_sending)
            if self._is_sending:
                self._send(now - begin)
                sent = now
            now = self._tick(now)
            ticks += 1
        return LoadResult(
            published=self._published,
            acknowledged=self._acknowledged,
            late_us=self._late[self._published > 0],
            without_subscriber=sum(lane.without_subscriber for lane in self._lanes),
            sending_s=sent - begin,
            acknowledging_s=max(lane.last_acknowledged for lane in self._lanes) - begin,
            cpu_s=time.process_time() - cpu,
        )

    def close(self) -> None:
        """Say goodbye to the broker."""
        for lane in self._lanes:
            lane.close()

    def _hear(self, reads: bool) -> None:
        """Send what the broker did not take before; take its acknowledgements."""
        for lane in self._lanes:
            lane.flush()
            if reads:
                lane.read_pubacks(self._acknowledged)

    def _is_waiting(self) -> bool:
        return any(lane.acknowledged < lane.sent for lane in self._lanes)

    def _tick(self, last: float) -> float:
        """Wait until a tick is over; return when it was."""
        blocked = [lane for lane in self._lanes if lane.is_blocked]
        ahead = max(0.0, last + TICK_S - time.monotonic())
        if select.select([self._channel], blocked, [], ahead)[0]:
            self._channel.receive_blocking()
            self._is_sending = False
        return time.monotonic()

    def _send(self, elapsed_s: float) -> None:
        """Send what is due."""
        options = self._options
        due = options.messages
        if options.rate != FLAT_OUT:
            due = min(due, int(elapsed_s * options.rate) + 1)
        if options.backlog is not None:
            due = min(due, options.backlog.messages_max(options.traffic.pack))
        now = system_clock()
        for lane in self._lanes:
            numbers = lane.due_messages(due)
            if len(numbers):
                self._note(numbers, elapsed_s, now)
                packet_ids = lane.packet_ids(len(numbers))
                lane.send(
                    numbers, packet_ids, self._packets.make(numbers, packet_ids, self._published[numbers])
                )
        all_sent = sum(lane.sent for lane in self._lanes) >= options.messages
        self._is_sending = not all_sent and elapsed_s < options.seconds_max

    def _note(self, numbers: Numbers, elapsed_s: float, now: Instant) -> None:
        """Note when the messages of a lane are published, and how late."""
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
