"""Shared dependencies: what many sensors rely on, so that one outage silences all of them.

A gateway forwards the data of its sensors, a power supply feeds them, a feed delivers their messages. A
dependency is out if several of its sensors missed a report since the last reception through it. Sensors that
became silent one by one while others continued do not indicate an outage. If all its sensors report at the
same time, the outage begins when that report is missed.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from twin.alarms.rules.rule import OutageCondition
from twin.instant import INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Sensor
from twin.state.freshness import TRANSMISSION_GRACE

MISSED_AFTER_INTERVALS = 1.5
"""A report is missed when it is half an interval, and `GRACE`, late."""

FEED = "feed"


class DependencyActivity(msgspec.Struct, array_like=True):
    """The last report of each sensor of a dependency. Mutable."""

    last_reports: dict[str, Instant] = msgspec.field(default_factory=dict)  #: sensor → time of reception

    def on_report(self, sensor: str, received_time: Instant) -> bool:
        """Record a report; return whether it is newer."""
        if received_time <= self.last_reports.get(sensor, INSTANT_MIN):
            return False
        self.last_reports[sensor] = received_time
        return True

    @property
    def last_received(self) -> Instant:
        """The time of the last reception through the dependency."""
        return max(self.last_reports.values(), default=INSTANT_MIN)

    def outage_from(
        self, condition: OutageCondition, sensors: Mapping[str, Sensor], resumed: Instant
    ) -> Instant | None:
        """Return the log time from which on the dependency is out if nothing arrives.

        None if too few of its sensors ever reported. `sensors` are those that rely on it.
        """
        last = max(self.last_received, resumed)
        missed = []
        for id, sensor in sensors.items():
            last_report = self.last_reports.get(id)
            if last_report is None:
                continue
            expected = max(last_report, resumed) + sensor.interval
            if expected > last:
                missed.append(report_missed_from(max(last_report, resumed), sensor))
        needed = max(condition.sensors_min, min(int(condition.reports_missed), len(missed)))
        return sorted(missed)[needed - 1] if len(missed) >= needed else None


def report_missed_from(since: Instant, sensor: Sensor) -> Instant:
    """Return the time from which on a sensor has missed a report, if nothing arrives after `since`."""
    return since + int(MISSED_AFTER_INTERVALS * sensor.interval) + TRANSMISSION_GRACE


def dependency_id(kind: str, id: str) -> str:
    """Return the id of a dependency: `gateway:alkmaar.gateway-noord`, `feed:ttn`."""
    return f"{kind}:{id}"


def alarm_suffix(condition: OutageCondition, dependency: str) -> str:
    """Return the part of an alarm id that distinguishes the feeds of a city; empty for others.

    >>> from twin.alarms.severity import Severity
    >>> outage = OutageCondition(supply="feed", severity=Severity.MAJOR)
    >>> alarm_suffix(outage, "feed:ttn"), dependency_of_alarm(outage, "alkmaar", "feed-ttn")
    ('feed-ttn', 'feed:ttn')
    """
    return dependency.replace(":", "-", 1) if condition.supply == FEED else ""


def dependency_of_alarm(condition: OutageCondition, entity: str, sensor: str) -> str:
    """Return the dependency that an alarm is about, by its entity and `alarm_suffix`."""
    if condition.supply == FEED:
        return sensor.replace("-", ":", 1)
    return dependency_id(condition.supply, entity)


def dependencies_of(sensor: Sensor) -> tuple[str, ...]:
    """Return the dependencies of a sensor.

    >>> from twin.instant import MINUTE
    >>> dependencies_of(Sensor(id="s", feed="ttn", device="d", entity="e", interval=MINUTE, gateway="g"))
    ('gateway:g', 'feed:ttn')
    """
    named = (("gateway", sensor.gateway), ("power", sensor.power), (FEED, sensor.feed))
    return tuple(dependency_id(kind, id) for kind, id in named if id)


class SharedDependencies:
    """The shared dependencies of one model, and the sensors that rely on them."""

    def __init__(self, model: CityModel) -> None:
        self._sensors_by_dependency: dict[str, dict[str, Sensor]] = {}
        for sensor in model.sensors.values():
            for dependency in dependencies_of(sensor):
                self._sensors_by_dependency.setdefault(dependency, {})[sensor.id] = sensor
        self._city = next((one.id for one in model.entities.values() if one.parent is None), "")

    def dependent_sensors(self, dependency: str) -> Mapping[str, Sensor]:
        """Return the sensors that rely on a dependency."""
        return self._sensors_by_dependency.get(dependency, {})

    def entity_of(self, dependency: str) -> str:
        """Return the entity that has the alarm of an outage: the dependency itself, or the city for feeds."""
        kind, _, id = dependency.partition(":")
        return self._city if kind == FEED else id

    def of_entity(self, entity: str, condition: OutageCondition) -> list[str]:
        """Return the dependencies of a kind that an entity is, or that the city has."""
        if condition.supply != FEED:
            name = dependency_id(condition.supply, entity)
            return [name] if name in self._sensors_by_dependency else []
        if entity != self._city:
            return []
        return sorted(one for one in self._sensors_by_dependency if one.startswith(f"{FEED}:"))
