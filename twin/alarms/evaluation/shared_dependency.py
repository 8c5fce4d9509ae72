"""Supplies: what carries many sensors, so that one outage silences all of them.

A gateway hands on what its sensors send, a power supply feeds them, a feed brings them. A supply is out when
several of its sensors missed a report since anything came through it. Sensors that fell silent one by one
while others went on say nothing about it, and those that all report at once are waited for until they should.
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
"""A report is missed when it is half an interval late, and `TRANSMISSION_GRACE` more."""

FEED = "feed"


class DependencyActivity(msgspec.Struct, array_like=True):
    """When the sensors of a supply were last heard. Mutable."""

    last_reports: dict[str, Instant] = msgspec.field(default_factory=dict)  #: sensor → time of reception

    def on_report(self, sensor: str, received_time: Instant) -> bool:
        """Take in that something came through; return whether it is news."""
        if received_time <= self.last_reports.get(sensor, INSTANT_MIN):
            return False
        self.last_reports[sensor] = received_time
        return True

    @property
    def last_received(self) -> Instant:
        """Return when anything last came through."""
        return max(self.last_reports.values(), default=INSTANT_MIN)

    def outage_from(
        self, condition: OutageCondition, sensors: Mapping[str, Sensor], resumed: Instant
    ) -> Instant | None:
        """Return the log time from which on the supply is out if nothing comes.

        None when too few of its sensors were ever heard. `sensors` are those that it carries.
        """
        last = max(self.last_received, resumed)
        missed = []
        for id, sensor in sensors.items():
            heard = self.last_reports.get(id)
            if heard is None:
                continue
            expected = max(heard, resumed) + sensor.interval
            if expected > last:
                missed.append(report_missed_from(max(heard, resumed), sensor))
        needed = max(condition.sensors_min, min(int(condition.reports_missed), len(missed)))
        return sorted(missed)[needed - 1] if len(missed) >= needed else None


def report_missed_from(since: Instant, sensor: Sensor) -> Instant:
    """Return the time from which on a sensor has missed a report, if nothing came since another."""
    return since + int(MISSED_AFTER_INTERVALS * sensor.interval) + TRANSMISSION_GRACE


def dependency_id(kind: str, id: str) -> str:
    """Return how a supply is called: `gateway:alkmaar.gateway-noord`, `feed:ttn`."""
    return f"{kind}:{id}"


def alarm_suffix(condition: OutageCondition, supply: str) -> str:
    """Return what tells the alarm of a supply from others of its entity: of feeds the city has several.

    >>> from twin.alarms.severity import Severity
    >>> outage = OutageCondition(supply="feed", severity=Severity.MAJOR)
    >>> alarm_suffix(outage, "feed:ttn"), dependency_of_alarm(outage, "alkmaar", "feed-ttn")
    ('feed-ttn', 'feed:ttn')
    """
    return supply.replace(":", "-", 1) if condition.supply == FEED else ""


def dependency_of_alarm(condition: OutageCondition, entity: str, sensor: str) -> str:
    """Return the supply that an alarm is about, by its entity and `alarm_suffix`."""
    if condition.supply == FEED:
        return sensor.replace("-", ":", 1)
    return dependency_id(condition.supply, entity)


def dependencies_of(sensor: Sensor) -> tuple[str, ...]:
    """Return what carries a sensor.

    >>> from twin.instant import MINUTE
    >>> dependencies_of(Sensor(id="s", feed="ttn", device="d", entity="e", interval=MINUTE, gateway="g"))
    ('gateway:g', 'feed:ttn')
    """
    named = (("gateway", sensor.gateway), ("power", sensor.power), (FEED, sensor.feed))
    return tuple(dependency_id(kind, id) for kind, id in named if id)


class SharedDependencies:
    """The supplies of one model, and what each of them carries."""

    def __init__(self, model: CityModel) -> None:
        self._carried: dict[str, dict[str, Sensor]] = {}
        for sensor in model.sensors.values():
            for supply in dependencies_of(sensor):
                self._carried.setdefault(supply, {})[sensor.id] = sensor
        self._city = next((one.id for one in model.entities.values() if one.parent is None), "")

    def dependent_sensors(self, supply: str) -> Mapping[str, Sensor]:
        """Return the sensors that a supply carries."""
        return self._carried.get(supply, {})

    def entity_of(self, supply: str) -> str:
        """Return the entity whose alarm an outage is: the supply's own, of feeds the city's."""
        kind, _, id = supply.partition(":")
        return self._city if kind == FEED else id

    def of_entity(self, entity: str, condition: OutageCondition) -> list[str]:
        """Return the supplies of a kind that an entity is, or has."""
        if condition.supply != FEED:
            name = dependency_id(condition.supply, entity)
            return [name] if name in self._carried else []
        if entity != self._city:
            return []
        return sorted(one for one in self._carried if one.startswith(f"{FEED}:"))
