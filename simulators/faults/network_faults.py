"""Faults on the way from the device: what it told arrives later, twice, out of order, or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.delivery import ReportDelivery
from simulators.faults.fault import DeviceFault, FaultLocation, FaultStage, FaultWindow
from twin.instant import HOUR, MINUTE, SECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class DropoutFault(DeviceFault):
    """Reports are lost, each with the same probability."""

    name: ClassVar[str] = "dropout"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    probability: float = 1.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def dropout(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.arrival) is None or random.random() >= self.probability:
                yield delivery

        return dropout


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageFault(DeviceFault):
    """Nothing gets through; the device keeps its reports and sends them in a burst afterwards.

    It keeps `capacity` of them, the earliest; what is measured with a full memory is lost.
    """

    name: ClassVar[str] = "outage"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    capacity: int = 1_000
    spacing: Duration = SECOND // 10  #: between two reports of the burst

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""
        kept = 0
        known: FaultWindow | None = None

        def outage(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
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
class DuplicateFault(DeviceFault):
    """Reports arrive again, up to `within` later, as from two gateways or after a lost acknowledgement."""

    name: ClassVar[str] = "duplicate"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    probability: float = 0.05
    within: Duration = 5 * SECOND

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def duplicate(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            yield delivery
            if self.window(delivery.arrival) is not None and random.random() < self.probability:
                yield delivery._replace(
                    arrival=delivery.arrival + random.randrange(self.within + 1), copy=True
                )

        return duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderFault(DeviceFault):
    """Some reports are held up by at most `by`, so that later ones overtake them."""

    name: ClassVar[str] = "reorder"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    probability: float = 0.2
    by: Duration = 30 * MINUTE

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def reorder(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.arrival) is not None and random.random() < self.probability:
                delivery = delivery._replace(arrival=delivery.arrival + random.randrange(self.by + 1))
            yield delivery

        return reorder


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFault(DeviceFault):
    """Every report comes `by` later; their order stays."""

    name: ClassVar[str] = "late"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    by: Duration = HOUR

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""
        return lambda delivery: [
            delivery
            if self.window(delivery.arrival) is None
            else delivery._replace(arrival=delivery.arrival + self.by)
        ]
