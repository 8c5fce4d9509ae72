"""Faults of the clock in a device: the times that it tells are not those of the measurement.

A reading that tells no time is not touched: its time is that of its arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.delivery import DeviceReading, ReportDelivery
from simulators.faults.fault import DeviceFault, FaultLocation, FaultStage
from simulators.truth.local_calendar import utc_offset
from twin.instant import SECOND, Duration, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepFault(DeviceFault):
    """The clock is off by `seconds`; ahead when positive."""

    name: ClassVar[str] = "clock-step"
    location: ClassVar[FaultLocation] = FaultLocation.CLOCK

    seconds: float = 3600.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""
        step = round(self.seconds * SECOND)
        return lambda delivery: [
            delivery if self.window(delivery.due) is None else with_times(delivery, lambda time: time + step)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDriftFault(DeviceFault):
    """The clock runs fast by `ppm` millionths (slow when negative), and is set right when a window ends.

    A quartz of 100 ppm is 8.64 seconds a day off.
    """

    name: ClassVar[str] = "clock-drift"
    location: ClassVar[FaultLocation] = FaultLocation.CLOCK

    ppm: float = 100.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work; without a start it begins with the first report."""
        first: list[Instant] = []

        def drift(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            window = self.window(delivery.due)
            if window is None:
                yield delivery
                return
            if not first:
                first.append(delivery.due)
            gained = round((delivery.due - max(window.start, first[0])) * self.ppm / 1e6)
            yield with_times(delivery, lambda time: time + gained)

        return drift


@dataclass(frozen=True, slots=True, kw_only=True)
class DstNightFault(DeviceFault):
    """Local time without its offset: what is measured in the second pass of the repeated hour of autumn is
    told as of the first.

    With `fill` the values of that pass are this number, as a logger writes that finds its slots taken.
    """

    name: ClassVar[str] = "dst-night"
    location: ClassVar[FaultLocation] = FaultLocation.CLOCK

    timezone: str = "Europe/Amsterdam"
    fill: float | None = None

    def start_stage(self, random: Random) -> FaultStage:
        """Return the fault at work."""

        def told(time: Instant) -> Instant:
            return time - repeated_hour_shift(self.timezone, time)

        def night(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                second = repeated_hour_shift(self.timezone, delivery.due) > 0
                delivery = with_times(delivery, told)
                if second and self.fill is not None:
                    fill = self.fill
                    delivery = delivery._replace(
                        readings=tuple(
                            one._replace(value=fill) if self.touches(one) else one
                            for one in delivery.readings
                        )
                    )
            yield delivery

        return night


def repeated_hour_shift(timezone: str, instant: Instant) -> Duration:
    """Return how much earlier the same local time was read before; 0 unless clocks were just set back.

    >>> from twin.instant import parse_instant
    >>> [repeated_hour_shift("Europe/Amsterdam", parse_instant(f"2017-10-29T{hour}:30:00Z")) // SECOND
    ...  for hour in ("00", "01", "02")]
    [0, 3600, 0]
    """
    now = utc_offset(timezone, instant)
    back = utc_offset(timezone, instant - _LOOK_BACK) - now
    return back if back > 0 and utc_offset(timezone, instant - back) == now + back else 0


# Clocks are set back by an hour and less (Lord Howe Island: half an hour).
_LOOK_BACK: Duration = 3600 * SECOND


def with_times(delivery: ReportDelivery, change: Callable[[Instant], Instant]) -> ReportDelivery:
    """Return a delivery whose times are those of another clock."""

    def changed(one: DeviceReading) -> DeviceReading:
        return one if one.time is None else one._replace(time=change(one.time))

    return delivery._replace(
        told=change(delivery.told), readings=tuple(changed(one) for one in delivery.readings)
    )
