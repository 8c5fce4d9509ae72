"""The desk of an entity's alarms: where they are found, described, set aside and turned on and off. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from stream.alarms.alarm_content import AlarmContent
from twin.alarms.alarm import Alarm, Explanation, StreamTime, TransitionContext
from twin.alarms.evaluation.alarm_transitions import apply_change
from twin.alarms.evaluation.condition_state import ConditionChange, ConditionState
from twin.alarms.evaluation.explanation import explain, outage_sentence, silence_sentence
from twin.alarms.evaluation.shared_dependency import (
    SharedDependencies,
    alarm_suffix,
    dependencies_of,
    report_missed_from,
)
from twin.alarms.evaluation.silence import SensorActivity, monitored_sensors, silent_from
from twin.alarms.messages import AlarmCommand, AlarmEvent, DependencyOutage, SeriesPoints, alarm_id
from twin.alarms.rules.rule import RULE_ERROR_ID, OutageCondition, Rule, SilenceCondition, rule_error_rule
from twin.alarms.rules.rule_index import BoundRule, EntityRules, RuleIndex
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState, TransitionRefused, Trigger
from twin.instant import INSTANT_MIN, Instant
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


# The rules of an entity that look at values: their courses, and the alarms that follow them. Pure.


class ValueRules:
    """The courses of one entity at one moment."""

    def __init__(self, desk: EntityAlarms, rules: EntityRules) -> None:
        self._desk = desk
        self._rules = rules
        self._content = desk.content

    def on_points(self, points: SeriesPoints, told_time: Instant) -> list[AlarmEvent]:
        """Take in points of a series that the entity's rules look at, as told at a log time.

        The clock of the partition follows with the next tick. Counted from before that, the time since they
        came would hold the pause that they ended.
        """
        came = max(told_time, self._desk.stream_time.now)
        events: list[AlarmEvent] = []
        for bound, operand in self._rules.by_series.get(points.series, ()):
            if bound.fault:
                events += self._desk.report_rule_error(bound, bound.fault)
                continue
            course = self._condition(bound)
            change = course.on_points(operand, points.points, bound, came)
            events += self._apply_change(bound, course, change)
        return events

    def evaluate(self, bound: BoundRule) -> list[AlarmEvent]:
        """Evaluate what falls due although no point came."""
        course = self._content.conditions.get(bound.rule.id)
        if course is None or course.rule_version != bound.rule.version:
            return []
        return self._apply_change(bound, course, course.advance(bound, self._desk.stream_time.now))

    def due_times(self, bound: BoundRule) -> Iterator[Instant]:
        """Yield the log time at which something falls due if no point comes."""
        course = self._content.conditions.get(bound.rule.id)
        due = course.due(bound) if course is not None else None
        if due is not None:
            yield max(due, self._desk.stream_time.now)

    def _condition(self, bound: BoundRule) -> ConditionState:
        course = self._content.conditions.get(bound.rule.id)
        if course is None:
            course = begin_condition(bound, self._content)
        return course

    def _apply_change(
        self, bound: BoundRule, course: ConditionState, change: ConditionChange | None
    ) -> list[AlarmEvent]:
        events = self._desk.report_rule_error(bound, course.error)
        if change is not None:
            alarm, model = self._desk.alarm(bound.rule), self._desk.model
            events += apply_change(
                alarm, change, lambda shift: explain(shift, bound, model), self._desk.stream_time
            )
        return events

    def on_rule_version(self, bound: BoundRule) -> list[AlarmEvent]:
        """Judge what is kept by another version of a rule."""
        known = self._content.conditions.get(bound.rule.id)
        events = self._desk.report_rule_error(bound, bound.fault)
        if known is None or known.rule_version == bound.rule.version:
            return events
        course = self._content.conditions[bound.rule.id] = known.reevaluated(bound)
        alarm = self._desk.alarm(bound.rule)
        severity = Severity(course.severity(bound))
        text = f"by version {bound.rule.version} of the rule"
        if not severity:
            return events + alarm.end(
                None, self._desk.stream_time.context(self._desk.stream_time.now, text=text)
            )
        if not course.changes:
            return events
        said = explain(course.changes[-1], bound, self._desk.model)
        cause = self._desk.stream_time.context(course.changes[-1].time, text=text)
        if alarm.active:
            return events + alarm.change_severity(severity, said, cause)
        return events + alarm.raise_(severity, said, cause)


def begin_condition(bound: BoundRule, content: AlarmContent) -> ConditionState:
    """Begin the course of a rule on an entity, by what is known of its alarm."""
    course = content.conditions[bound.rule.id] = ConditionState.initial(bound)
    alarm = content.alarms.get(alarm_id(bound.rule.id, bound.entity))
    if alarm is not None:
        # Of a log that was lost: what led to the alarm, or ended it, is not evaluated again.
        course.resume(bound, int(alarm.severity) if alarm.active else 0, _last_change(alarm))
    return course


def _last_change(alarm: Alarm) -> Instant:
    return max(alarm.raised_time or INSTANT_MIN, alarm.returned_time or INSTANT_MIN)


# The rules of an entity about what does not come: silent sensors, and supplies that are out. Pure.


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


# The alarms of one entity: evaluated from what came, and from what did not. Pure.


class EntityEvaluation:
    """One entity at one moment."""

    def __init__(self, entity: str, content: AlarmContent, around: EvaluationContext) -> None:
        self._content = content
        self._desk = EntityAlarms(entity, content, around)
        self._rules = around.rule_index.rules_of(entity)
        self._courses = ValueRules(self._desk, self._rules)
        self._listening = AbsenceRules(self._desk)

    @property
    def outages(self) -> list[DependencyOutage]:
        """The supplies that are out, or work again, since now."""
        return self._listening.outages

    def on_points(self, points: SeriesPoints, told_time: Instant) -> list[AlarmEvent]:
        """Take in points of a series that the entity's rules look at, as told at a log time."""
        return self._courses.on_points(points, told_time)

    def evaluate(self) -> list[AlarmEvent]:
        """Evaluate what follows from the present moment alone."""
        events: list[AlarmEvent] = []
        for bound in self._rules.rules.values():
            match bound.rule.condition:
                case SilenceCondition() as silence:
                    events += self._listening.check_silence(bound.rule, silence)
                case OutageCondition() as outage:
                    events += self._listening.check_outage(bound.rule, outage)
                case _:
                    events += self._courses.evaluate(bound)
        for alarm in list(self._content.alarms.values()):
            events += self._desk.update_silencing(alarm)
        return events

    def next_due(self) -> Instant | None:
        """Return the log time at which something may change if nothing comes; None: nothing can."""
        return min(self._dues(), default=None)

    def _dues(self) -> Iterator[Instant]:
        for bound in self._rules.rules.values():
            condition = bound.rule.condition
            if isinstance(condition, SilenceCondition | OutageCondition):
                yield from self._listening.due_times(condition)
            else:
                yield from self._courses.due_times(bound)
        for alarm in self._content.alarms.values():
            yield from self._desk.silenced_until(alarm)

    def on_model(self) -> list[AlarmEvent]:
        """Go on with the rules of another model: what they judge otherwise is judged again."""
        events: list[AlarmEvent] = []
        for bound in self._rules.rules.values():
            events += self._courses.on_rule_version(bound)
        for alarm in list(self._content.alarms.values()):
            known = self._rules.rules.get(alarm.sensor if alarm.rule == RULE_ERROR_ID else alarm.rule)
            if known is None:
                events += self._withdraw(alarm)
            elif alarm.rule != RULE_ERROR_ID:
                events += self._serve(alarm, known.rule)
        courses = self._content.conditions
        self._content.conditions = {id: one for id, one in courses.items() if id in self._rules.rules}
        self._content.model = self._desk.model.version
        return events

    def _withdraw(self, alarm: Alarm) -> list[AlarmEvent]:
        """Let an alarm go whose rule does not concern the entity any more."""
        cause = self._desk.stream_time.context(
            self._desk.stream_time.now, text="no rule is about it any more"
        )
        events = []
        for trigger in (Trigger.RESTORE, Trigger.UNSUPPRESS, Trigger.UNSHELVE, Trigger.RETRACT):
            found = alarm.apply_trigger(trigger, "retracted", cause)
            events += [found] if isinstance(found, AlarmEvent) else []
        del self._content.alarms[alarm.id]
        return events

    def _serve(self, alarm: Alarm, rule: Rule) -> list[AlarmEvent]:
        """Take the alarms of a rule that is switched off out of service, and back."""
        is_out = alarm.state == AlarmState.OUT_OF_SERVICE
        if rule.enabled != is_out:
            return []
        word = "on" if rule.enabled else "off"
        cause = self._desk.stream_time.context(
            self._desk.stream_time.now, text=f"the rule is switched {word}"
        )
        if rule.enabled:
            found = alarm.apply_trigger(Trigger.RESTORE, "restored", cause)
        else:
            found = alarm.apply_trigger(Trigger.REMOVE, "removed", cause)
        return [] if isinstance(found, TransitionRefused) else [found]


# What people command, applied to an alarm. Pure.


def apply_command(
    alarm: Alarm | None, command: AlarmCommand, now: Instant, revision: int
) -> AlarmEvent | TransitionRefused:
    """Return what a command does to an alarm, or why it does nothing."""
    if alarm is None or not alarm.has_history:
        return TransitionRefused(f"there is no alarm {command.alarm}, or it was never raised")
    if command.occurrence not in (0, alarm.occurrence):
        return TransitionRefused(
            f"the command is for occurrence {command.occurrence}, the present one is {alarm.occurrence}"
        )
    cause = TransitionContext(command.time, now, revision, False, command.actor, command.text, command.id)
    if command.action == "shelve":
        if command.until is None or command.until <= now:
            return TransitionRefused("shelving needs a time in the future until which it lasts")
        return alarm.shelve(command.until, cause)
    act = _ACTIONS.get(command.action)
    if act is None:
        return TransitionRefused(
            f"found action {command.action!r}, expected one of {', '.join(sorted(_ACTIONS))}"
        )
    return act(alarm, cause)


def _assign(alarm: Alarm, cause: TransitionContext) -> AlarmEvent | TransitionRefused:
    alarm.assignee = cause.text
    return alarm.emit("assigned", cause)


_ACTIONS: Mapping[str, Callable[[Alarm, TransitionContext], AlarmEvent | TransitionRefused]] = {
    "acknowledge": Alarm.acknowledge,
    "unshelve": Alarm.unshelve,
    "assign": _assign,
    "comment": lambda alarm, cause: alarm.emit("commented", cause),
    "reset": lambda alarm, cause: alarm.apply_trigger(Trigger.RESET, "reset", cause),
    "remove": lambda alarm, cause: alarm.apply_trigger(Trigger.REMOVE, "removed", cause),
    "restore": lambda alarm, cause: alarm.apply_trigger(Trigger.RESTORE, "restored", cause),
}
