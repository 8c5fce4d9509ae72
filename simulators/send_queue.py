"""The queue of messages to send: at once from devices without faults; later, twice or never from others."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from simulators.devices.device import SimulatedMessage, VirtualDevice
from simulators.faults.fault import FaultChain
from simulators.faults.fault_plan import PlannedFault, faults_for_sensor
from simulators.faults.faulty_device import FaultyDevice
from simulators.truth.noise import noise_stream
from twin.instant import Instant

log = logging.getLogger(__name__)

MESSAGES_MAX = 100_000
"""Messages that faults may delay at once, half a kilobyte each; further ones are dropped, with a warning."""


class QueuedMessage(NamedTuple):
    """A message, the index of its device, and the time at which to send it."""

    arrival: Instant
    order: int
    device: int
    message: SimulatedMessage


class SendQueue:
    """The messages of all devices, from the report until they are sent."""

    def __init__(
        self,
        devices: Sequence[VirtualDevice],
        plan: Sequence[PlannedFault],
        seed: int,
        *,
        messages_max: int = MESSAGES_MAX,
    ) -> None:
        self._messages_max = messages_max
        self._heap: list[QueuedMessage] = []
        self._order = 0
        self._dropped = 0
        self._faulty: dict[int, FaultyDevice] = {}
        for index, device in enumerate(devices):
            faults = faults_for_sensor(plan, device.sensor.id)
            if faults:
                random = Random(noise_stream(seed, "faults", device.sensor.id))
                self._faulty[index] = FaultyDevice(device, FaultChain(faults, random))

    @property
    def faulty_device_count(self) -> int:
        """The number of devices with a fault."""
        return len(self._faulty)

    def add_report(self, instant: Instant, index: int, device: VirtualDevice) -> None:
        """Create the report of a device that is due at an instant, and queue its messages."""
        faulty = self._faulty.get(index)
        if faulty is None:
            self._push(instant, index, device.message(instant))
            return
        for timed in faulty.messages(instant):
            self._push(timed.arrival, index, timed.message)

    def _push(self, arrival: Instant, index: int, message: SimulatedMessage) -> None:
        if len(self._heap) >= self._messages_max:
            if not self._dropped:
                log.warning(
                    "faults delay %d messages, the maximum; further ones are dropped",
                    self._messages_max,
                    extra={"event": "simulate.messages_dropped"},
                )
            self._dropped += 1
            return
        self._order += 1
        heapq.heappush(self._heap, QueuedMessage(arrival, self._order, index, message))

    def next_instant(self) -> Instant | None:
        """Return the time of the next message; None if the queue is empty."""
        return self._heap[0].arrival if self._heap else None

    def take_due(self, end: Instant) -> Iterator[QueuedMessage]:
        """Yield the messages due by `end`, oldest first; each is removed when the next is requested."""
        while self._heap and self._heap[0].arrival <= end:
            yield self._heap[0]
            heapq.heappop(self._heap)
