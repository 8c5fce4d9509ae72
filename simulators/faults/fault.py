"""The base of all faults: when a fault is active, which fields it affects, and its stage in a chain."""

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
