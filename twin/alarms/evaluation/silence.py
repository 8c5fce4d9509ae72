"""Silence: whether a sensor still tells something new, by the clock of the log."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twin.alarms.rules.rule import SilenceCondition
from twin.instant import INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Sensor
from twin.state.freshness import TRANSMISSION_GRACE

REPORT_SPACING_MAX: Duration = 10 * SECOND
"""A sensor that speaks more often is told to be alive no more often than that."""


class SensorActivity(msgspec.Struct, array_like=True):
    """When a sensor was last heard on an entity. Mutable."""

    received_time: Instant = INSTANT_MIN  #: of the last message that told something new
    phenomenon_time: Instant = INSTANT_MIN  #: of the newest that it told

    def on_report(self, received_time: Instant, phenomenon_time: Instant) -> bool:
        """Take in a sign of life; return whether it is one: old news told again is none."""
        if phenomenon_time <= self.phenomenon_time:
            return False
        self.phenomenon_time = phenomenon_time
        self.received_time = max(self.received_time, received_time)
        return True


def report_spacing(sensor: Sensor) -> Duration:
    """Return how much log time lies at least between two signs of life that are told of a sensor."""
    return min(REPORT_SPACING_MAX, sensor.interval // 2)


def silent_from(
    condition: SilenceCondition, sensor: Sensor, life: SensorActivity, resumed: Instant
) -> Instant:
    """Return the log time from which on a sensor is silent if nothing comes.

    While nothing was received at all, nobody could be heard: time counts from `resumed` on.
    """
    limit = max(int(condition.intervals * sensor.interval), condition.after) + TRANSMISSION_GRACE
    return max(life.received_time, resumed) + limit


def monitored_sensors(entity: str, condition: SilenceCondition, model: CityModel) -> Iterator[Sensor]:
    """Yield the sensors of an entity that a rule listens to, by id."""
    ids = {
        one.sensor
        for one in model.datastreams_of(entity)
        if not condition.properties or one.property in condition.properties
    }
    yield from (model.sensors[id] for id in sorted(ids) if id in model.sensors)
