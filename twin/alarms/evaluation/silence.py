"""Silence of sensors: whether a sensor still reports new data, by the clock of the log."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twin.alarms.rules.rule import SilenceCondition
from twin.instant import INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Sensor
from twin.state.freshness import TRANSMISSION_GRACE

REPORT_SPACING_MAX: Duration = 10 * SECOND
"""The activity of a sensor is reported at most once in this time."""


class SensorActivity(msgspec.Struct, array_like=True):
    """The last report of a sensor on an entity. Mutable."""

    received_time: Instant = INSTANT_MIN  #: of the last message with new data
    phenomenon_time: Instant = INSTANT_MIN  #: the newest phenomenon time

    def on_report(self, received_time: Instant, phenomenon_time: Instant) -> bool:
        """Record a report; return whether it has new data. Repeated data are no sign of life."""
        if phenomenon_time <= self.phenomenon_time:
            return False
        self.phenomenon_time = phenomenon_time
        self.received_time = max(self.received_time, received_time)
        return True


def report_spacing(sensor: Sensor) -> Duration:
    """Return the least log time between two activity reports of a sensor."""
    return min(REPORT_SPACING_MAX, sensor.interval // 2)


def silent_from(
    condition: SilenceCondition, sensor: Sensor, life: SensorActivity, resumed: Instant
) -> Instant:
    """Return the log time at which a sensor becomes silent if nothing arrives.

    While nothing at all was received, no sensor could be: time counts from `resumed` on.
    """
    limit = max(int(condition.intervals * sensor.interval), condition.after) + TRANSMISSION_GRACE
    return max(life.received_time, resumed) + limit


def monitored_sensors(entity: str, condition: SilenceCondition, model: CityModel) -> Iterator[Sensor]:
    """Yield the sensors of an entity that a rule monitors, by id."""
    ids = {
        datastream.sensor
        for datastream in model.datastreams_of(entity)
        if not condition.properties or datastream.property in condition.properties
    }
    yield from (model.sensors[id] for id in sorted(ids) if id in model.sensors)
