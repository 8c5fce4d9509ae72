"""What a fault is: when it is there, which fields it touches, and how it is begun for a device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from random import Random
from typing import ClassVar, NamedTuple, TypeAlias

from simulators.faults.delivery import DeviceReading, ReportDelivery
from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant

FaultStage: TypeAlias = Callable[[ReportDelivery], Iterable[ReportDelivery]]
"""Takes the deliveries of one device in the order of measurement; returns what becomes of each."""

FOR_EVER: Duration = INSTANT_MAX - INSTANT_MIN


class FaultLocation(IntEnum):
    """Where a fault happens; a chain runs through them in this order."""

    SENSOR = 0
    CLOCK = 1
    NETWORK = 2


class FaultWindow(NamedTuple):
    """A time in which a fault is there, half-open."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault(ABC):
    """A fault with its parameters. It is there from `start` for `length`, and again after each `every`."""

    name: ClassVar[str]
    location: ClassVar[FaultLocation]

    start: Instant = INSTANT_MIN
    length: Duration = FOR_EVER
    every: Duration = 0  #: 0: once
    field: str = "*"  #: glob of the fields that it touches, where it touches values

    @abstractmethod
    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work in one device, with dice of its own."""

    def window(self, instant: Instant) -> FaultWindow | None:
        """Return the window in which an instant lies, or None while the fault is not there.

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

    def touches(self, reading: DeviceReading) -> bool:
        """Return whether the fault touches this field."""
        return fnmatchcase(reading.field, self.field)


def with_values(
    delivery: ReportDelivery, fault: DeviceFault, change: Callable[[DeviceReading], float]
) -> ReportDelivery:
    """Return a delivery in which the values that a fault touches are changed."""
    return delivery._replace(
        readings=tuple(
            one._replace(value=change(one)) if fault.touches(one) else one for one in delivery.readings
        )
    )
