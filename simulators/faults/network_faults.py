"""Faults of the network: reports arrive late, twice, out of order, all at once, or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.fault import DeviceFault, FaultLocation, FaultStage, FaultWindow, ReportDelivery
from twin.instant import HOUR, MINUTE, SECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class DropoutFault(DeviceFault):
    """Reports are lost, each with the same probability."""

    name: ClassVar[str] = "dropout"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    probability: float = 1.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def dropout(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.arrival) is None or random.random() >= self.probability:
                yield delivery

        return dropout


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageFault(DeviceFault):
    """The device has no connection; it buffers its reports and sends them in a burst afterwards.

    It buffers the first `capacity` reports; later ones are lost.
    """

    name: ClassVar[str] = "outage"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    capacity: int = 1_000
    spacing: Duration = SECOND // 10  #: time between two reports of the burst

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""
        buffered = 0
        current: FaultWindow | None = None

        def outage(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            nonlocal buffered, current
            window = self.window(delivery.arrival)
            if window is None:
                yield delivery
                return
            if window != current:
                current, buffered = window, 0
            if buffered < self.capacity:
                yield delivery._replace(arrival=window.end + buffered * self.spacing)
                buffered += 1

        return outage


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateFault(DeviceFault):
    """Reports arrive twice, the copy up to `within` later, as with two gateways or a lost acknowledgement."""

    name: ClassVar[str] = "duplicate"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    probability: float = 0.05
    within: Duration = 5 * SECOND

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def duplicate(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            yield delivery
            if self.window(delivery.arrival) is not None and random.random() < self.probability:
                yield delivery._replace(
                    arrival=delivery.arrival + random.randrange(self.within + 1), is_copy=True
                )

        return duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderFault(DeviceFault):
    """Some reports are delayed by at most `by`, so that later ones overtake them."""

    name: ClassVar[str] = "reorder"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    probability: float = 0.2
    by: Duration = 30 * MINUTE

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def reorder(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.arrival) is not None and random.random() < self.probability:
                delivery = delivery._replace(arrival=delivery.arrival + random.randrange(self.by + 1))
            yield delivery

        return reorder


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFault(DeviceFault):
    """Every report arrives `by` later, in the same order."""

    name: ClassVar[str] = "late"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    by: Duration = HOUR

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""
        return lambda delivery: [
            delivery
            if self.window(delivery.arrival) is None
            else delivery._replace(arrival=delivery.arrival + self.by)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogFault(DeviceFault):
    """The device stores the reports of each window, and sends all of them in one moment when it ends.

    With `every: P5D` and `for: P1D` each fifth day arrives as one backlog.
    """

    name: ClassVar[str] = "backlog"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def backlog(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            window = self.window(delivery.due)
            if window is not None and delivery.arrival < window.end:
                delivery = delivery._replace(arrival=window.end)
            yield delivery

        return backlog


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedHalvesFault(DeviceFault):
    """The reports of each window arrive when it ends: those of its second half, then those of its first.

    The first half follows after `pause`, as when two files are replayed in the wrong order.
    """

    name: ClassVar[str] = "swapped-halves"
    location: ClassVar[FaultLocation] = FaultLocation.NETWORK

    pause: Duration = MINUTE

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def swapped(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            window = self.window(delivery.due)
            if window is not None:
                is_first_half = delivery.due - window.start < (window.end - window.start) // 2
                arrival = window.end + (self.pause if is_first_half else 0)
                delivery = delivery._replace(arrival=max(delivery.arrival, arrival))
            yield delivery

        return swapped
