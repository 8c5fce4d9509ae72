"""Faults in the sensor: what it measures is not what is the case.

Amounts are in the canonical unit of the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.delivery import DeviceReading, ReportDelivery
from simulators.faults.fault import DeviceFault, FaultLocation, FaultStage, FaultWindow, with_values
from twin.instant import HOUR, MINUTE, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongUnitFault(DeviceFault):
    """Another unit than agreed: centimetres for metres is a factor of 100; Fahrenheit has an offset, too."""

    name: ClassVar[str] = "wrong-unit"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    factor: float = 1000.0
    offset: float = 0.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def wrong(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                delivery = with_values(delivery, self, lambda one: self.offset + self.factor * one.value)
            yield delivery

        return wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckFault(DeviceFault):
    """The value of the first report of a window is told to its end."""

    name: ClassVar[str] = "stuck"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""
        held: dict[str, float] = {}
        known: FaultWindow | None = None

        def stuck(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            nonlocal known
            window = self.window(delivery.due)
            if window != known:
                held.clear()
                known = window
            if window is not None:
                delivery = with_values(delivery, self, lambda one: held.setdefault(one.field, one.value))
            yield delivery

        return stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFault(DeviceFault):
    """The value goes away from the truth, in proportion to the time since the start of the window."""

    name: ClassVar[str] = "drift"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    per_hour: float = 1.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work; without a start it begins with the first report."""
        first: list[int] = []

        def drift(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            window = self.window(delivery.due)
            if window is not None:
                if not first:
                    first.append(delivery.due)
                hours = (delivery.due - max(window.start, first[0])) / HOUR
                delivery = with_values(delivery, self, lambda one: one.value + self.per_hour * hours)
            yield delivery

        return drift


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeFault(DeviceFault):
    """Single values jump by up to `height` to either side, half of it at the least."""

    name: ClassVar[str] = "spike"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    height: float = 100.0
    probability: float = 0.01

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def jumped(one: DeviceReading) -> float:
            if random.random() >= self.probability:
                return one.value
            return one.value + random.choice((-1.0, 1.0)) * random.uniform(0.5, 1.0) * self.height

        def spike(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                delivery = with_values(delivery, self, jumped)
            yield delivery

        return spike


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindCounterFault(DeviceFault):
    """A counter that sees nothing and reports zeros on time: `field` says which fields count."""

    name: ClassVar[str] = "blind-counter"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def blind(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                delivery = with_values(delivery, self, lambda one: 0.0)
            yield delivery

        return blind


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootFault(DeviceFault):
    """At `start`, and each `every`: silent for a while, then running totals start again from zero.

    What is counted goes on: the first total after the reboot is the increase since the last report before it.
    `field` says which fields are totals; `length` has no meaning here.
    """

    name: ClassVar[str] = "reboot"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    silent: Duration = MINUTE

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""
        lost: dict[str, float] = {}
        before: dict[str, float] = {}
        known: FaultWindow | None = None

        def reboot(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            nonlocal known
            window = self.window(delivery.due)
            if window is not None and window != known:
                known = window
                lost.update(before or {one.field: one.value for one in delivery.readings})
            if window is not None and delivery.due < window.start + self.silent:
                return
            before.update((one.field, one.value) for one in delivery.readings)
            yield with_values(delivery, self, lambda one: one.value - lost.get(one.field, 0.0))

        return reboot
