"""Faults of the sensor: measured values that differ from the true ones.

Amounts are in the canonical unit of the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.fault import (
    DeviceFault,
    DeviceReading,
    FaultLocation,
    FaultStage,
    FaultWindow,
    ReportDelivery,
    with_values,
)
from twin.instant import HOUR, MINUTE, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongUnitFault(DeviceFault):
    """The unit is wrong: centimetres instead of metres are a factor of 100; Fahrenheit also has an offset."""

    name: ClassVar[str] = "wrong-unit"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    factor: float = 1000.0
    offset: float = 0.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def wrong(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                delivery = with_values(delivery, self, lambda one: self.offset + self.factor * one.value)
            yield delivery

        return wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckFault(DeviceFault):
    """All reports of a window have the values of its first report."""

    name: ClassVar[str] = "stuck"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""
        stuck_values: dict[str, float] = {}
        current: FaultWindow | None = None

        def stuck(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            nonlocal current
            window = self.window(delivery.due)
            if window != current:
                stuck_values.clear()
                current = window
            if window is not None:
                delivery = with_values(
                    delivery, self, lambda one: stuck_values.setdefault(one.field, one.value)
                )
            yield delivery

        return stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFault(DeviceFault):
    """The error of the value grows with the time since the start of the window."""

    name: ClassVar[str] = "drift"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    per_hour: float = 1.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault; without a start it begins with the first report."""
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
    """Single values jump up or down by half of `height` to all of it."""

    name: ClassVar[str] = "spike"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    height: float = 100.0
    probability: float = 0.01

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def jumped(reading: DeviceReading) -> float:
            if random.random() >= self.probability:
                return reading.value
            return reading.value + random.choice((-1.0, 1.0)) * random.uniform(0.5, 1.0) * self.height

        def spike(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                delivery = with_values(delivery, self, jumped)
            yield delivery

        return spike


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindCounterFault(DeviceFault):
    """A counter that detects nothing and reports zeros on time; `field` selects the counting fields."""

    name: ClassVar[str] = "blind-counter"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def blind(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                delivery = with_values(delivery, self, lambda one: 0.0)
            yield delivery

        return blind


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootFault(DeviceFault):
    """At `start`, and after each `every`: no reports for a while, then running totals start again from zero.

    Counting continues: the first total after the reboot is the increase since the last report before it.
    `field` selects the totals; `length` has no effect.
    """

    name: ClassVar[str] = "reboot"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    silent: Duration = MINUTE

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""
        zero_totals: dict[str, float] = {}
        last_totals: dict[str, float] = {}
        current: FaultWindow | None = None

        def reboot(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            nonlocal current
            window = self.window(delivery.due)
            if window is not None and window != current:
                current = window
                zero_totals.update(last_totals or {one.field: one.value for one in delivery.readings})
            if window is not None and delivery.due < window.start + self.silent:
                return
            last_totals.update((one.field, one.value) for one in delivery.readings)
            yield with_values(delivery, self, lambda one: one.value - zero_totals.get(one.field, 0.0))

        return reboot


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionFault(DeviceFault):
    """Reports have wrong values, `factor` times the right ones; `after` a time the right ones follow.

    So a factor above 1 makes the correction the lower value, as after a misplaced decimal point.
    """

    name: ClassVar[str] = "correction"
    location: ClassVar[FaultLocation] = FaultLocation.SENSOR

    factor: float = 10.0
    after: Duration = HOUR
    probability: float = 1.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def corrected(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is None or random.random() >= self.probability:
                yield delivery
                return
            yield with_values(delivery, self, lambda one: self.factor * one.value)
            yield delivery._replace(arrival=delivery.arrival + self.after)

        return corrected
