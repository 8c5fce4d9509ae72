"""A report of a device, and its delivery after faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.instant import Instant


class DeviceReading(NamedTuple):
    """One value as the device reports it, in the canonical unit of its observed property."""

    field: str
    time: (
        Instant | None
    )  #: phenomenon time in the report; None: not in the report, so the arrival time counts
    value: float


class DeviceReport(NamedTuple):
    """The readings that a device without faults would report at an instant."""

    due: Instant
    readings: tuple[DeviceReading, ...]


class ReportDelivery(NamedTuple):
    """A report as it arrives, with the true value of each reading as the oracle of tests."""

    number: int  #: number of the report among those of its device, from 0
    due: Instant  #: time of the measurement
    device_time: Instant  #: time of the measurement by the clock of the device
    arrival: Instant
    readings: tuple[DeviceReading, ...]
    truth: tuple[DeviceReading, ...]  #: the true reading for each of `readings`
    is_copy: bool = False  #: a repeated delivery

    def true_readings(self) -> Iterator[DeviceReading]:
        """Yield the readings that no fault has changed."""
        return (reading for reading, true in zip(self.readings, self.truth, strict=True) if reading == true)


def faultless_delivery(number: int, report: DeviceReport) -> ReportDelivery:
    """Return the delivery of a report without faults."""
    return ReportDelivery(number, report.due, report.due, report.due, report.readings, report.readings)
