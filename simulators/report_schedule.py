"""The report times of all devices: one soon after the start, then a fixed phase within each interval."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from simulators.devices.device import VirtualDevice
from simulators.truth.noise import uniform
from twin.instant import SECOND, Duration, Instant

FIRST_WITHIN: Duration = 2 * SECOND
"""Every device sends its first report within this wall time after the start."""

_MILLISECOND = SECOND // 1000


def report_phase(device: VirtualDevice) -> Duration:
    """Return the offset of a device's reports within its interval, in whole milliseconds."""
    interval = device.sensor.interval
    return int(uniform(device.noise_stream("phase"), 0) * interval) // _MILLISECOND * _MILLISECOND


def next_regular_report(device: VirtualDevice, instant: Instant) -> Instant:
    """Return the time of the first regular report of a device after an instant."""
    interval = device.sensor.interval
    phase = report_phase(device)
    return (instant - phase) // interval * interval + interval + phase


class ReportSchedule:
    """The endless sequence of the reports of all devices in order of time."""

    def __init__(self, devices: Sequence[VirtualDevice], start: Instant, speed: float) -> None:
        self._devices = devices
        self._heap: list[tuple[Instant, int]] = []
        for index, device in enumerate(devices):
            window = min(device.sensor.interval, int(FIRST_WITHIN * max(1.0, speed)))
            lead = (
                int(uniform(device.noise_stream("first report"), 0) * window) // _MILLISECOND * _MILLISECOND
            )
            self._heap.append((start + lead, index))
        heapq.heapify(self._heap)

    def next_instant(self) -> Instant | None:
        """Return the time of the next report; None without devices."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, end: Instant) -> Iterator[tuple[Instant, int, VirtualDevice]]:
        """Yield (time, device index, device) of each report due by `end`, oldest first.

        A report is removed only when the caller requests the next one, so a caller that stops loses none.
        """
        heap = self._heap
        while heap and heap[0][0] <= end:
            instant, index = heap[0]
            device = self._devices[index]
            yield instant, index, device
            heapq.heapreplace(heap, (next_regular_report(device, instant), index))
