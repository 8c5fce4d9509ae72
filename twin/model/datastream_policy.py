"""How the observations of one datastream are calibrated, checked and put into windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.calibration import Calibration, Maintenance, calibration_at
from twin.model.maintenance_window import MaintenanceSchedule
from twin.model.observed_property import COUNTER_RATE_MAX, Aggregation, ObservedProperty
from twin.model.recurrence import RecurringPeriod
from twin.quality.quality_rules import QualityRules

WINDOW_SIZES: tuple[Duration, ...] = (MINUTE, 10 * MINUTE, HOUR)
"""The sizes of the windows that are kept, ascending."""


def window_sizes_for(interval: Duration) -> tuple[Duration, ...]:
    """Return the window sizes that are worth keeping for a sensor that reports at this interval.

    A window shorter than the interval would repeat the raw values; an hour is kept of every sensor.

    >>> [len(window_sizes_for(interval)) for interval in (MINUTE, 2 * MINUTE, HOUR, 24 * HOUR)]
    [3, 2, 1, 1]
    """
    if interval <= MINUTE:
        return WINDOW_SIZES
    return WINDOW_SIZES[1:] if interval <= WINDOW_SIZES[1] else WINDOW_SIZES[2:]


@dataclass(frozen=True, slots=True)
class DatastreamPolicy:
    """Made once for each datastream and model version, because it is read for each value."""

    interval: Duration  #: expected time between observations
    rules: QualityRules
    aggregation: Aggregation
    wraps_at: float | None  #: the register value at which a counter starts again at 0
    rate_max: float | None  #: a counter's greatest plausible increase, canonical unit per second
    sizes: tuple[Duration, ...]  #: of its windows, ascending
    calibrations: tuple[Calibration, ...]  #: ordered by their start
    maintenance: MaintenanceSchedule | None  #: None: never, so that most pay nothing
    personal: bool = False  #: whether single values are personal data

    @classmethod
    def of(
        cls,
        property: ObservedProperty,
        interval: Duration,
        calibrations: Sequence[Calibration] = (),
        maintenance: Sequence[Maintenance] | MaintenanceSchedule = (),
        *,
        personal: bool = False,
    ) -> DatastreamPolicy:
        """Return the policy for a datastream of this property that reports at this interval."""
        return cls(
            interval,
            property.quality,
            property.aggregation,
            property.wraps_at,
            COUNTER_RATE_MAX.get(property.name),
            window_sizes_for(interval),
            tuple(calibrations),
            _schedule(maintenance) or None,
            personal,
        )

    def calibrated(self, value: float, time: Instant) -> float:
        """Return the calibrated value of a measurement of this time."""
        if self.calibrations:
            calibration = calibration_at(self.calibrations, time)
            if calibration is not None:
                return calibration.gain * value + calibration.offset
        return value

    def is_in_maintenance(self, time: Instant) -> bool:
        """Return whether the sensor was in maintenance at this time."""
        return self.maintenance is not None and self.maintenance.includes(time)


def _schedule(maintenance: Sequence[Maintenance] | MaintenanceSchedule) -> MaintenanceSchedule:
    if isinstance(maintenance, MaintenanceSchedule):
        return maintenance
    return MaintenanceSchedule.of(RecurringPeriod(one.start, one.end) for one in maintenance)
