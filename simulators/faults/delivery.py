"""What a sound device reports, and what is delivered of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.instant import Instant


class DeviceReading(NamedTuple):
    """One value as the device tells it, in the canonical unit of what it observes."""

    field: str
    time: Instant | None  #: phenomenon time that is told; None: none is told, the arrival counts
    value: float


class DeviceReport(NamedTuple):
    """What a device would tell at an instant if nothing were wrong."""

    due: Instant
    readings: tuple[DeviceReading, ...]


class ReportDelivery(NamedTuple):
    """What arrives of a report, and when; `truth` tells the oracle what each reading should have been."""

    number: int  #: of the report among those of its device, from 0
    due: Instant  #: when it was measured
    told: Instant  #: what the clock of the device said then
    arrival: Instant
    readings: tuple[DeviceReading, ...]
    truth: tuple[DeviceReading, ...]  #: one for each of `readings`
    copy: bool = False  #: delivered before

    def true_readings(self) -> Iterator[DeviceReading]:
        """Yield the readings that no fault has changed."""
        return (told for told, truth in zip(self.readings, self.truth, strict=True) if told == truth)


def faultless_delivery(number: int, report: DeviceReport) -> ReportDelivery:
    """Return what arrives of a report when nothing is wrong."""
    return ReportDelivery(number, report.due, report.due, report.due, report.readings, report.readings)
