"""The rules of an entity about what does not come: silent sensors, and supplies that are out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stream.alarms.entity_alarms import EntityAlarms
from twin.alarms.alarm import Alarm, Explanation
from twin.alarms.evaluation.explanation import outage_sentence, silence_sentence
from twin.alarms.evaluation.shared_dependency import alarm_suffix
from twin.alarms.evaluation.silence import SensorActivity, monitored_sensors, silent_from
from twin.alarms.messages import AlarmEvent, DependencyOutage
from twin.alarms.rules.rule import OutageCondition, Rule, SilenceCondition
from twin.alarms.severity import Severity
from twin.instant import Instant
from twin.model.sensor import Sensor


class AbsenceRules:
    """What one entity listens for at one moment."""

    def __init__(self, desk: EntityAlarms) -> None:
        self._desk = desk
        self._content = desk.content
        self._supplies = desk.context.dependencies
        self.outages: list[DependencyOutage] = []  #: supplies that are out, or work again, since now

    def _sensors(self, silence: SilenceCondition) -> Iterator[tuple[Sensor, SensorActivity, Instant]]:
        """Yield the sensors that were heard once, and the log time from which on each is silent.

        Nobody misses a sensor that was never heard; and that a home's meter is silent is nobody's business.
        """
        for sensor in monitored_sensors(self._desk.entity, silence, self._desk.model):
            life = self._content.sensor_activity.get(sensor.id)
            if life is not None and not sensor.personal:
                yield sensor, life, silent_from(silence, sensor, life, self._desk.context.ticks_since)

    def check_silence(self, rule: Rule, silence: SilenceCondition) -> list[AlarmEvent]:
        """Raise the alarms of sensors that are silent now, and let those return that were heard."""
        events: list[AlarmEvent] = []
        for sensor, life, due in self._sensors(silence):
            alarm = self._desk.alarm(rule, sensor.id)
            heard = life.received_time
            if alarm.active and alarm.raised_time is not None and heard > alarm.raised_time:
                severity, time = 0, heard
            elif not alarm.active and due <= self._desk.stream_time.now:
                severity, time = int(silence.severity), due
            else:
                continue
            since = heard, self._desk.model.city.timezone
            words = silence_sentence(rule.title, self._desk.name, sensor.id, since, returned=not severity)
            events += self._turn(alarm, severity, words, time)
        return events

    def check_outage(self, rule: Rule, outage: OutageCondition) -> list[AlarmEvent]:
        """Raise the alarms of supplies that are out now, and let those return that carried something."""
        events: list[AlarmEvent] = []
        for supply, due, last in self._supplies_of(outage):
            # Of feeds, the city's, there are several alarms of one entity.
            alarm = self._desk.alarm(rule, alarm_suffix(outage, supply))
            # An outage ends with the next message, not with a change of what is expected.
            if alarm.active and alarm.raised_time is not None and last > alarm.raised_time:
                events += self._out(alarm, rule, supply, None, last)
            elif not alarm.active and due is not None and due <= self._desk.stream_time.now:
                events += self._out(alarm, rule, supply, outage.severity, due)
        return events

    def _supplies_of(self, outage: OutageCondition) -> Iterator[tuple[str, Instant | None, Instant]]:
        """Yield supply, the log time from which on it is out, and when something last came through it."""
        for supply in self._supplies.of_entity(self._desk.entity, outage):
            life = self._content.dependency_activity.get(supply)
            if life is not None:
                carried = self._supplies.dependent_sensors(supply)
                yield (
                    supply,
                    life.outage_from(outage, carried, self._desk.context.ticks_since),
                    life.last_received,
                )

    def _out(
        self, alarm: Alarm, rule: Rule, supply: str, severity: Severity | None, time: Instant
    ) -> list[AlarmEvent]:
        last = self._content.dependency_activity[supply].last_received
        what = supply, len(self._supplies.dependent_sensors(supply))
        when = last, self._desk.model.city.timezone
        words = outage_sentence(rule.title, self._desk.name, what, when, returned=severity is None)
        since = last if severity is not None else None
        self.outages.append(DependencyOutage(supply, since, alarm.id, self._desk.stream_time.revision, last))
        return self._turn(alarm, severity or 0, words, time)

    def _turn(self, alarm: Alarm, severity: int, words: tuple[str, str], time: Instant) -> list[AlarmEvent]:
        """Raise an alarm, or with severity 0 let it return; what is set aside is not told in between."""
        said = Explanation((), *words)
        if severity:
            return [
                *self._desk.update_suppression(alarm),
                *self._desk.raise_or_return(alarm, severity, said, time),
            ]
        return [*self._desk.raise_or_return(alarm, 0, said, time), *self._desk.update_suppression(alarm)]

    def due_times(self, condition: SilenceCondition | OutageCondition) -> Iterator[Instant]:
        """Yield the log times, after now, at which something is missed if nothing comes."""
        if isinstance(condition, SilenceCondition):
            dues: Iterator[Instant | None] = (due for _, _, due in self._sensors(condition))
        else:
            dues = (due for _, due, _ in self._supplies_of(condition))
        yield from (due for due in dues if due is not None and due > self._desk.stream_time.now)
