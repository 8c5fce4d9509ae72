"""Faults on the way from the device: what it told arrives later, twice, out of order, or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.delivery import Delivery
from simulators.faults.fault import Fault, Place, Stage, Window
from twin.instant import HOUR, MINUTE, SECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Fault):
    """Reports are lost, each with the same probability."""

    name: ClassVar[str] = "dropout"
    place: ClassVar[Place] = Place.WAY

    probability: float = 1.0

    def stage(self, random: Random) -> Stage:
        """Return the fault at work."""

        def dropout(delivery: Delivery) -> Iterator[Delivery]:
            if self.window(delivery.arrival) is None or random.random() >= self.probability:
                yield delivery

        return dropout


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage(Fault):
    """Nothing gets through; the device keeps its reports and sends them in a burst afterwards.

    It keeps `capacity` of them, the earliest; what is measured with a full memory is lost.
    """

    name: ClassVar[str] = "outage"
    place: ClassVar[Place] = Place.WAY

    capacity: int = 1_000
    spacing: Duration = SECOND // 10  #: between two reports of the burst

    def stage(self, random: Random) -> Stage:
        """Return the fault at work."""
        kept = 0
        known: Window | None = None

        def outage(delivery: Delivery) -> Iterator[Delivery]:
            nonlocal kept, known
            window = self.window(delivery.arrival)
            if window is None:
                yield delivery
                return
            if window != known:
                known, kept = window, 0
            if kept < self.capacity:
                yield delivery._replace(arrival=window.end + kept * self.spacing)
                kept += 1

        return outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(Fault):
    """Reports arrive again, up to `within` later, as from two gateways or after a lost acknowledgement."""

    name: ClassVar[str] = "duplicate"
    place: ClassVar[Place] = Place.WAY

    probability: float = 0.05
    within: Duration = 5 * SECOND

    def stage(self, random: Random) -> Stage:
        """Return the fault at work."""

        def duplicate(delivery: Delivery) -> Iterator[Delivery]:
            yield delivery
            if self.window(delivery.arrival) is not None and random.random() < self.probability:
                yield delivery._replace(
                    arrival=delivery.arrival + random.randrange(self.within + 1), copy=True
                )

        return duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(Fault):
    """Some reports are held up by at most `by`, so that later ones overtake them."""

    name: ClassVar[str] = "reorder"
    place: ClassVar[Place] = Place.WAY

    probability: float = 0.2
    by: Duration = 30 * MINUTE

    def stage(self, random: Random) -> Stage:
        """Return the fault at work."""

        def reorder(delivery: Delivery) -> Iterator[Delivery]:
            if self.window(delivery.arrival) is not None and random.random() < self.probability:
                delivery = delivery._replace(arrival=delivery.arrival + random.randrange(self.by + 1))
            yield delivery

        return reorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Fault):
    """Every report comes `by` later; their order stays."""

    name: ClassVar[str] = "late"
    place: ClassVar[Place] = Place.WAY

    by: Duration = HOUR

    def stage(self, random: Random) -> Stage:
        """Return the fault at work."""
        return lambda delivery: [
            delivery
            if self.window(delivery.arrival) is None
            else delivery._replace(arrival=delivery.arrival + self.by)
        ]
