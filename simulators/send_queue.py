"""What the devices have to send: at once from sound devices; later, twice or never from faulty ones."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from simulators.devices.device import SimulatedMessage, VirtualDevice
from simulators.faults.fault_chain import FaultChain
from simulators.faults.fault_plan import PlannedFault, faults_for_sensor
from simulators.faults.faulty_device import FaultyDevice
from simulators.truth.noise import noise_stream
from twin.instant import Instant

log = logging.getLogger(__name__)

HELD_MAX = 100_000
"""Messages that faults hold back at once; half a kilobyte each. What comes beyond is lost, and told."""


class QueuedMessage(NamedTuple):
    """A message, the number of its device, and when it is to be sent."""

    arrival: Instant
    order: int
    device: int
    message: SimulatedMessage


class SendQueue:
    """The messages of all devices between the report and the wire."""

    def __init__(self, devices: Sequence[VirtualDevice], plan: Sequence[PlannedFault], seed: int) -> None:
        self._heap: list[QueuedMessage] = []
        self._order = 0
        self._lost = 0
        self._faulty: dict[int, FaultyDevice] = {}
        for index, device in enumerate(devices):
            faults = faults_for_sensor(plan, device.sensor.id)
            if faults:
                dice = Random(noise_stream(seed, "faults", device.sensor.id))
                self._faulty[index] = FaultyDevice(device, FaultChain(faults, dice))

    @property
    def faulty_device_count(self) -> int:
        """How many devices have a fault."""
        return len(self._faulty)

    def add_report(self, instant: Instant, index: int, device: VirtualDevice) -> None:
        """Let a device make the report that is due at an instant."""
        faulty = self._faulty.get(index)
        if faulty is None:
            self._push(instant, index, device.message(instant))
            return
        for sending in faulty.messages(instant):
            self._push(sending.arrival, index, sending.message)

    def _push(self, arrival: Instant, index: int, message: SimulatedMessage) -> None:
        if len(self._heap) >= HELD_MAX:
            if not self._lost:
                log.warning("%d messages are held back by faults; what comes beyond is lost", HELD_MAX)
            self._lost += 1
            return
        self._order += 1
        heapq.heappush(self._heap, QueuedMessage(arrival, self._order, index, message))

    def next_instant(self) -> Instant | None:
        """Return when the next message is to be sent; None when none waits."""
        return self._heap[0].arrival if self._heap else None

    def take_due(self, end: Instant) -> Iterator[QueuedMessage]:
        """Yield the messages to be sent by `end`, oldest first; each leaves once the next is asked for."""
        while self._heap and self._heap[0].arrival <= end:
            yield self._heap[0]
            heapq.heappop(self._heap)
