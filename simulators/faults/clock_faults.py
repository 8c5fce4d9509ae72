"""Faults of the clock of a device: its reports have times that are not those of the measurement.

Readings without a time do not change, since their time is that of their arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators.faults.fault import DeviceFault, DeviceReading, FaultLocation, FaultStage, ReportDelivery
from simulators.truth.local_calendar import utc_offset
from twin.instant import SECOND, Duration, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepFault(DeviceFault):
    """The clock is wrong by `seconds`; positive: it is ahead."""

    name: ClassVar[str] = "clock-step"
    location: ClassVar[FaultLocation] = FaultLocation.CLOCK

    seconds: float = 3600.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""
        step = round(self.seconds * SECOND)
        return lambda delivery: [
            delivery if self.window(delivery.due) is None else with_times(delivery, lambda time: time + step)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDriftFault(DeviceFault):
    """The clock runs fast by `ppm` millionths (negative: slow), and is corrected at the end of a window.

    With 100 ppm, a quartz clock gains 8.64 seconds a day.
    """

    name: ClassVar[str] = "clock-drift"
    location: ClassVar[FaultLocation] = FaultLocation.CLOCK

    ppm: float = 100.0

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault; without a start it begins with the first report."""
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
    """Local time without its UTC offset: reports of the second pass of the repeated hour in autumn have the
    time of the first.

    With `fill`, the values of the second pass are this number, as from a logger whose slots are occupied.
    """

    name: ClassVar[str] = "dst-night"
    location: ClassVar[FaultLocation] = FaultLocation.CLOCK

    timezone: str = "Europe/Amsterdam"
    fill: float | None = None

    def start_stage(self, random: Random) -> FaultStage:
        """Return the stage of this fault."""

        def device_time(time: Instant) -> Instant:
            return time - repeated_hour_shift(self.timezone, time)

        def night(delivery: ReportDelivery) -> Iterator[ReportDelivery]:
            if self.window(delivery.due) is not None:
                second = repeated_hour_shift(self.timezone, delivery.due) > 0
                delivery = with_times(delivery, device_time)
                if second and self.fill is not None:
                    fill = self.fill
                    delivery = delivery._replace(
                        readings=tuple(
                            reading._replace(value=fill) if self.affects(reading) else reading
                            for reading in delivery.readings
                        )
                    )
            yield delivery

        return night


def repeated_hour_shift(timezone: str, instant: Instant) -> Duration:
    """Return how much earlier clocks showed the same local time; 0 unless they were just set back.

    >>> from twin.instant import parse_instant
    >>> [repeated_hour_shift("Europe/Amsterdam", parse_instant(f"2017-10-29T{hour}:30:00Z")) // SECOND
    ...  for hour in ("00", "01", "02")]
    [0, 3600, 0]
    """
    now = utc_offset(timezone, instant)
    back = utc_offset(timezone, instant - _LOOK_BACK) - now
    return back if back > 0 and utc_offset(timezone, instant - back) == now + back else 0


# Clocks are set back by at most one hour (on Lord Howe Island by half an hour).
_LOOK_BACK: Duration = 3600 * SECOND


def with_times(delivery: ReportDelivery, change: Callable[[Instant], Instant]) -> ReportDelivery:
    """Return a delivery with changed device times."""

    def changed(reading: DeviceReading) -> DeviceReading:
        return reading if reading.time is None else reading._replace(time=change(reading.time))

    return delivery._replace(
        device_time=change(delivery.device_time), readings=tuple(changed(one) for one in delivery.readings)
    )
