"""The model of faults: reports, their deliveries, the base of all faults, and the chain of one device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from random import Random
from typing import ClassVar, NamedTuple, TypeAlias

from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant


class DeviceReading(NamedTuple):
    """One value as the device reports it, in the canonical unit of its observed property."""

    field: str
    time: Instant | None  #: phenomenon time; None: not in the report, so the arrival time counts
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


FaultStage: TypeAlias = Callable[[ReportDelivery], Iterable[ReportDelivery]]
"""Transforms the deliveries of one device, in the order of measurement; one may become none or several."""

FOR_EVER: Duration = INSTANT_MAX - INSTANT_MIN


class FaultLocation(IntEnum):
    """The location of a fault; a chain applies the locations in this order."""

    SENSOR = 0
    CLOCK = 1
    NETWORK = 2


class FaultWindow(NamedTuple):
    """A half-open time range in which a fault is active."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault(ABC):
    """A fault with its parameters. It is active from `start` for `length`, and again after each `every`."""

    name: ClassVar[str]
    location: ClassVar[FaultLocation]

    start: Instant = INSTANT_MIN
    length: Duration = FOR_EVER
    every: Duration = 0  #: period of repetition; 0: active once
    field: str = "*"  #: glob of the affected fields, for faults that change values

    @abstractmethod
    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault for one device, with its own random generator."""

    def window(self, instant: Instant) -> FaultWindow | None:
        """Return the active window at an instant, or None while the fault is inactive.

        >>> from simulators.faults.network_faults import DropoutFault
        >>> [DropoutFault(start=10, length=5, every=20).window(now) for now in (9, 14, 15, 33)]
        [None, FaultWindow(start=10, end=15), None, FaultWindow(start=30, end=35)]
        """
        if instant < self.start:
            return None
        start = self.start
        if self.every:
            start += (instant - self.start) // self.every * self.every
        return FaultWindow(start, start + self.length) if instant < start + self.length else None

    def affects(self, reading: DeviceReading) -> bool:
        """Return whether the fault affects the field of a reading."""
        return fnmatchcase(reading.field, self.field)


def with_values(
    delivery: ReportDelivery, fault: DeviceFault, change: Callable[[DeviceReading], float]
) -> ReportDelivery:
    """Return a delivery with changed values in the fields that a fault affects."""
    return delivery._replace(
        readings=tuple(
            one._replace(value=change(one)) if fault.affects(one) else one for one in delivery.readings
        )
    )


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

    >>> from simulators.faults.network_faults import LateFault
    >>> reports = [DeviceReport(due, (DeviceReading("level", due, 1.0),)) for due in (0, 10)]
    >>> [(one.number, one.arrival) for one in apply_faults(reports, [LateFault(by=25, length=5,
    ...  start=0)], Random(1))]
    [(1, 10), (0, 25)]
    """
    chain = FaultChain(faults, random)
    deliveries = [delivery for report in reports for delivery in chain.deliver(report)]
    return sorted(deliveries, key=lambda one: one.arrival)
