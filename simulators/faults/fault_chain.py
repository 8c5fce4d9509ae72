"""The chain of the faults of one device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from simulators.faults.delivery import DeviceReport, ReportDelivery, faultless_delivery
from simulators.faults.fault import DeviceFault


class FaultChain:
    """Applies the faults of one device: those of the sensor, then of its clock, then of the network.

    Faults of one location apply in the given order. Each has its own random generator, so that an additional
    fault does not change the effect of the others.
    """

    def __init__(self, faults: Sequence[DeviceFault], random: Random) -> None:
        stages = [(fault.location, fault.start_stage(Random(random.getrandbits(64)))) for fault in faults]
        self._stages = [stage for _, stage in sorted(stages, key=lambda one: one[0])]
        self._number = 0

    def deliver(self, report: DeviceReport) -> list[ReportDelivery]:
        """Return the deliveries of a report, in no particular order; call it in the order of measurement."""
        deliveries = [faultless_delivery(self._number, report)]
        self._number += 1
        for stage in self._stages:
            deliveries = [one for delivery in deliveries for one in stage(delivery)]
        return deliveries


def apply_faults(
    reports: Iterable[DeviceReport], faults: Sequence[DeviceFault], random: Random
) -> list[ReportDelivery]:
    """Return the deliveries of the reports of one device by arrival time; equal times keep the sent order.

    Equal reports, faults and state of `random` give equal deliveries.

    >>> from simulators.faults.delivery import DeviceReading
    >>> from simulators.faults.network_faults import LateFault
    >>> reports = [DeviceReport(due, (DeviceReading("level", due, 1.0),)) for due in (0, 10)]
    >>> [(one.number, one.arrival) for one in apply_faults(reports, [LateFault(by=25, length=5,
    ...  start=0)], Random(1))]
    [(1, 10), (0, 25)]
    """
    chain = FaultChain(faults, random)
    deliveries = [delivery for report in reports for delivery in chain.deliver(report)]
    return sorted(deliveries, key=lambda one: one.arrival)
