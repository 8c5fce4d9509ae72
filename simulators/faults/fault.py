"""What a fault is: when it is there, which fields it touches, and how it is begun for a device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from random import Random
from typing import ClassVar, NamedTuple, TypeAlias

from simulators.faults.delivery import Delivery, Reading
from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant

Stage: TypeAlias = Callable[[Delivery], Iterable[Delivery]]
"""Takes the deliveries of one device in the order of measurement; returns what becomes of each."""

FOR_EVER: Duration = INSTANT_MAX - INSTANT_MIN


class Place(IntEnum):
    """Where a fault happens; a chain runs through them in this order."""

    SENSOR = 0
    CLOCK = 1
    WAY = 2


class Window(NamedTuple):
    """A time in which a fault is there, half-open."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(ABC):
    """A fault with its parameters. It is there from `start` for `length`, and again after each `every`."""

    name: ClassVar[str]
    place: ClassVar[Place]

    start: Instant = INSTANT_MIN
    length: Duration = FOR_EVER
    every: Duration = 0  #: 0: once
    field: str = "*"  #: glob of the fields that it touches, where it touches values

    @abstractmethod
    def stage(self, random: Random) -> Stage:
        """Return the fault at work in one device, with dice of its own."""

    def window(self, instant: Instant) -> Window | None:
        """Return the window in which an instant lies, or None while the fault is not there.

        >>> from simulators.faults.network_faults import Dropout
        >>> [Dropout(start=10, length=5, every=20).window(now) for now in (9, 14, 15, 33)]
        [None, Window(start=10, end=15), None, Window(start=30, end=35)]
        """
        if instant < self.start:
            return None
        start = self.start
        if self.every:
            start += (instant - self.start) // self.every * self.every
        return Window(start, start + self.length) if instant < start + self.length else None

    def touches(self, reading: Reading) -> bool:
        """Return whether the fault touches this field."""
        return fnmatchcase(reading.field, self.field)


def with_values(delivery: Delivery, fault: Fault, change: Callable[[Reading], float]) -> Delivery:
    """Return a delivery in which the values that a fault touches are changed."""
    return delivery._replace(
        readings=tuple(
            one._replace(value=change(one)) if fault.touches(one) else one for one in delivery.readings
        )
    )
