"""The desk of an entity's alarms: where they are found, described, set aside and turned on and off. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stream.alarms.alarm_content import AlarmContent
from twin.alarms.alarm import Alarm, Explanation, StreamTime
from twin.alarms.evaluation.shared_dependency import SharedDependencies, dependencies_of, report_missed_from
from twin.alarms.messages import AlarmEvent, DependencyOutage, alarm_id
from twin.alarms.rules.rule import RULE_ERROR_ID, Rule, rule_error_rule
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Sensor


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """What an evaluation needs beside the entity's own content."""

    rule_index: RuleIndex
    dependencies: SharedDependencies
    outages: Mapping[str, DependencyOutage]
    ticks_since: Instant
    stream_time: StreamTime

    @property
    def model(self) -> CityModel:
        """The model whose rules are evaluated."""
        return self.rule_index.model


class EntityAlarms:
    """The alarms of one entity at one moment."""

    def __init__(self, entity: str, content: AlarmContent, around: EvaluationContext) -> None:
        self.entity = entity
        self.content = content
        self.context = around
        self.model = around.model
        self.stream_time = around.stream_time

    def alarm(self, rule: Rule, sensor: str = "") -> Alarm:
        """Return the alarm of a rule, described as the rule has it now."""
        id = alarm_id(rule.id, self.entity, sensor)
        alarm = self.content.alarms.get(id)
        if alarm is None:
            alarm = self.content.alarms[id] = Alarm(id, rule.id, self.entity, sensor)
            if not rule.enabled:
                alarm.state = (
                    AlarmState.OUT_OF_SERVICE
                )  # Nobody has heard of it, so there is nothing to tell.
        alarm.apply_rule(rule, self._area(rule))
        return alarm

    def _area(self, rule: Rule) -> str:
        """Return the area whose incident an alarm of this entity belongs to."""
        entities = self.model.entities
        entity = entities.get(self.entity)
        places = self.context.rule_index.ancestors(entity) if entity is not None else [self.entity]
        fitting = (one for one in places if one in entities and entities[one].type == rule.incident_area)
        return next(fitting, places[-1])

    @property
    def name(self) -> str:
        """The entity's name, for people."""
        entity = self.model.entities.get(self.entity)
        return entity.name if entity is not None else self.entity

    def raise_or_return(
        self, alarm: Alarm, severity: int, said: Explanation, time: Instant
    ) -> list[AlarmEvent]:
        """Raise an alarm at an event time, or, with severity 0, let it return."""
        cause = self.stream_time.context(time)
        if severity:
            return alarm.raise_(Severity(severity), said, cause)
        return alarm.end(said, cause)

    def report_rule_error(self, bound: BoundRule, error: str) -> list[AlarmEvent]:
        """Raise the alarm that says that a rule cannot be evaluated here, or let it return."""
        id = alarm_id(RULE_ERROR_ID, self.entity, bound.rule.id)
        known = self.content.alarms.get(id)
        if bool(error) == (known is not None and known.active):
            return []
        alarm = self.alarm(rule_error_rule(bound.rule), bound.rule.id)
        text = error or "it can be evaluated again"
        said = Explanation(
            (),
            f"Rule {bound.rule.id}, {self.name}: {text}.",
            f"Regel {bound.rule.id}, {self.name}: {text}.",
        )
        return self.raise_or_return(alarm, Severity.MAJOR if error else 0, said, self.stream_time.now)

    def update_suppression(self, alarm: Alarm) -> list[AlarmEvent]:
        """Silence an alarm by design before it is raised, where it says nothing new."""
        return alarm.suppress(self._suppressor(alarm), self.stream_time.context(self.stream_time.now))

    def _suppressor(self, alarm: Alarm) -> str:
        sensor = self.model.sensors.get(alarm.sensor)
        now = self.stream_time.now
        if sensor is not None:
            for out in self._outages_of(sensor):
                if out.alarm != alarm.id and (
                    out.since is not None or now < self._excused_until(sensor, out)
                ):
                    return out.alarm
            if any(one.sensor == sensor.id and one.start <= now < one.end for one in self.model.maintenance):
                return "maintenance"
        return ""

    def _outages_of(self, sensor: Sensor) -> Iterator[DependencyOutage]:
        """Yield what is known of the supplies of a sensor that are or were out."""
        outs = self.context.outages
        yield from (outs[supply] for supply in dependencies_of(sensor) if supply in outs)

    def _excused_until(self, sensor: Sensor, out: DependencyOutage) -> Instant:
        """Return until when a sensor may keep silent whose supply works again: until it misses a report.

        Those of a gateway that comes back report one after the other, not with it.
        """
        life = self.content.sensor_activity.get(sensor.id)
        is_heard = life is not None and life.received_time >= out.last_received
        return out.last_received if is_heard else report_missed_from(out.last_received, sensor)

    def silenced_until(self, alarm: Alarm) -> Iterator[Instant]:
        """Yield when an alarm may be set aside, or taken up again, by time alone."""
        if alarm.shelved_until is not None:
            yield alarm.shelved_until
        sensor = self.model.sensors.get(alarm.sensor)
        if sensor is not None:
            times = [
                self._excused_until(sensor, out) for out in self._outages_of(sensor) if out.since is None
            ]
            for one in self.model.maintenance:
                if one.sensor == alarm.sensor:
                    times += (one.start, one.end)
            yield from (time for time in times if time > self.stream_time.now)

    def update_silencing(self, alarm: Alarm) -> list[AlarmEvent]:
        """End what sets an alarm aside, or begin it, as time goes by."""
        events: list[AlarmEvent] = []
        now = self.stream_time.now
        if (
            alarm.state == AlarmState.SHELVED
            and alarm.shelved_until is not None
            and alarm.shelved_until <= now
        ):
            found = alarm.unshelve(self.stream_time.context(alarm.shelved_until))
            events += [found] if isinstance(found, AlarmEvent) else []
        if alarm.has_history and (alarm.active or alarm.suppressed_by):
            events += alarm.suppress(self._suppressor(alarm), self.stream_time.context(now))
        return events
