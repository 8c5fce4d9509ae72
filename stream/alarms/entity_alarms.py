"""The alarms of one entity: values, silent sensors, outages, shelving, suppression, commands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from stream.alarms.alarm_content import AlarmContent
from twin.alarms.alarm import Alarm, Explanation, StreamTime, TransitionContext
from twin.alarms.evaluation.alarm_correction import AlarmCorrection, AlarmRepair
from twin.alarms.evaluation.alarm_transitions import align_alarm, apply_change, corrects_past, episodes
from twin.alarms.evaluation.condition_state import ConditionChange, ConditionState
from twin.alarms.evaluation.explanation import explain, outage_sentence, silence_sentence
from twin.alarms.evaluation.shared_dependency import (
    SharedDependencies,
    alarm_suffix,
    dependencies_of,
    report_missed_from,
)
from twin.alarms.evaluation.silence import SensorActivity, monitored_sensors, silent_from
from twin.alarms.messages import (
    RULE_FAULT,
    SOURCES_MAX,
    AlarmCommand,
    AlarmEvent,
    DependencyOutage,
    OperandValue,
    SeriesPoints,
    alarm_id,
)
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import RULE_ERROR_ID, OutageCondition, Rule, SilenceCondition, rule_error_rule
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState, TransitionRefused, Trigger
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.sensor import Sensor

_WITHDRAWN = "no rule is about the alarm any more, it was withdrawn"

_SILENCING_ACTIONS = frozenset({"shelve", "remove"})


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """What the evaluation of one record uses beside the content of each entity."""

    rule_index: RuleIndex
    dependencies: SharedDependencies
    partition: AlarmContent  #: of the partition as a whole: outages and ticks
    stream_time: StreamTime


class EntityAlarms:
    """The alarms of one entity, evaluated at one log time. Changes the content, returns the events."""

    def __init__(self, entity: str, content: AlarmContent, context: EvaluationContext) -> None:
        self._entity = entity
        self._content = content
        self._context = context
        self._model = context.rule_index.model
        self._rules = context.rule_index.rules_of(entity)
        self._time = context.stream_time
        self._now = context.stream_time.now
        self.outages: list[DependencyOutage] = []  #: that this evaluation has found to begin or to end
        self.repairs: list[AlarmRepair] = []  #: what stored history must evaluate again

    # -- inputs -----------------------------------------------------------------------------------------

    def on_points(self, points: SeriesPoints, emitted_time: Instant) -> list[AlarmEvent]:
        """Evaluate the rules that use a series by its new points, emitted at a log time.

        The clock of the partition follows with the next tick. Were the points counted from the clock as it
        is, the time since their arrival would contain the pause that they ended.
        """
        arrived_time = max(emitted_time, self._now)
        events: list[AlarmEvent] = []
        for bound, operand in self._rules.by_series.get(points.series, ()):
            if bound.fault:
                events += self._report_rule_error(bound, bound.fault)
                continue
            condition = self._content.conditions.get(bound.rule.id)
            if condition is None:
                condition = begin_condition(bound, self._content)
            change = condition.on_points(operand, points.points, bound, arrived_time)
            events += self._apply_change(bound, condition, change)
            if condition.late_time != INSTANT_MAX:
                self._request_repair(bound, condition.take_late_time())
        return events

    def on_correction(self, correction: AlarmCorrection) -> list[AlarmEvent]:
        """Take over the state of a rule by stored history, and bring its alarm in line with it.

        If that state is older than what is known here, or has other points, another repair is requested. When
        that one reaches no further, the points between were withdrawn: it has waited until all that was known
        here was stored.
        """
        bound = self._rules.rules.get(correction.rule)
        if bound is None or bound.fault or not bound.series:
            return []
        alarm = self._alarm(bound.rule)
        known = self._content.conditions.get(bound.rule.id) or ConditionState.initial(bound)
        is_older = known.is_newer_than(correction.condition)
        if correction.rule_version != bound.rule.version or not is_about(correction, alarm) or is_older:
            known.repaired_to = known.horizon
            self._request_repair(bound, correction.since)
            return []
        if correction.has_changes:
            known.awaited_until = INSTANT_MAX  # newer points were perhaps stored, and withdrawn there
        # A delay may have ended after the newest point, before the log began.
        reached = max(alarm.raised_time or INSTANT_MIN, alarm.returned_time or INSTANT_MIN)
        condition = known.corrected(correction.condition, bound, reached)
        self._content.conditions[bound.rule.id] = condition
        if condition.doubted:
            self._request_repair(bound, min(correction.since, *(time for time, _ in condition.doubted)))
        alarm.worst = max(alarm.worst, Severity(correction.worst))
        newer = [one for one in condition.changes if one.time >= correction.changes_since]
        truth = episodes(correction.base, (*correction.changes, *newer))
        events = self._report_rule_error(bound, condition.error)
        return events + align_alarm(
            alarm, truth, correction.since, lambda shift: explain(shift, bound, self._model), self._time
        )

    def _request_repair(self, bound: BoundRule, time: Instant) -> None:
        condition = self._content.conditions.get(bound.rule.id)
        if condition is not None:
            condition.note_request()
        self.repairs.append(AlarmRepair(bound.rule.id, self._entity, time))

    def on_time(self) -> list[AlarmEvent]:
        """Evaluate everything that can change by time alone."""
        events: list[AlarmEvent] = []
        for bound in self._rules.rules.values():
            match bound.rule.condition:
                case SilenceCondition() as silence:
                    events += self._check_silence(bound.rule, silence)
                case OutageCondition() as outage:
                    events += self._check_outages(bound.rule, outage)
                case _:
                    condition = self._content.conditions.get(bound.rule.id)
                    if condition is not None and condition.rule_version == bound.rule.version:
                        change = condition.advance(bound, self._now)
                        events += self._apply_change(bound, condition, change)
        for alarm in list(self._content.alarms.values()):
            events += self._update_silencing(alarm)
        return events

    def on_model(self) -> list[AlarmEvent]:
        """Continue with the rules of another model, and evaluate again by each rule that has changed."""
        events: list[AlarmEvent] = []
        for bound in self._rules.rules.values():
            events += self._on_rule_version(bound)
        for alarm in list(self._content.alarms.values()):
            bound_rule = self._rule_of(alarm)
            if bound_rule is None:
                events += self._withdraw(alarm, "no rule is about it any more")
            elif self._is_of_retired_sensor(alarm, bound_rule.rule):
                events += self._withdraw(alarm, "its sensor is not in the model any more")
            elif alarm.rule != RULE_ERROR_ID:
                events += self._follow_enabled(alarm, bound_rule.rule)
        conditions = self._content.conditions
        self._content.conditions = {id: one for id, one in conditions.items() if id in self._rules.rules}
        self._content.model = self._model.version
        return events

    def on_command(self, command: AlarmCommand) -> AlarmEvent | TransitionRefused:
        """Return the event that an operator's command causes, or why it is refused."""
        alarm = self._content.alarms.get(command.alarm)
        if alarm is None or not alarm.has_history:
            return TransitionRefused(f"there is no alarm {command.alarm}, or it was never raised")
        is_withdrawn = self._rule_of(alarm) is None
        if refusal := _WITHDRAWN if is_withdrawn else _outdated(command, alarm):
            return TransitionRefused(refusal)
        cause = TransitionContext(
            command.time, self._now, self._time.revision, False, command.actor, command.text, command.id
        )
        if command.action == "shelve":
            if command.until is None or command.until <= self._now:
                return TransitionRefused("shelving needs a time in the future until which it lasts")
            result = alarm.shelve(command.until, cause)
        elif (action := _ACTIONS.get(command.action)) is not None:
            result = action(alarm, cause)
        else:
            return TransitionRefused(
                f"found action {command.action!r}, expected one of {', '.join(sorted(_ACTIONS))}"
            )
        if isinstance(result, TransitionRefused) or command.action not in _SILENCING_ACTIONS:
            return result
        (event,) = self._with_newest_values(alarm, [result])
        return event

    def next_due(self) -> Instant | None:
        """Return the log time at which something may change without input; None if nothing can."""
        return min(self._due_times(), default=None)

    def _due_times(self) -> Iterator[Instant]:
        for bound in self._rules.rules.values():
            match bound.rule.condition:
                case SilenceCondition() as silence:
                    dues = [due for _, _, due in self._sensors(silence)]
                    yield from (due for due in dues if due > self._now)
                case OutageCondition() as outage:
                    outage_dues = [due for _, due, _ in self._dependencies(outage)]
                    yield from (due for due in outage_dues if due is not None and due > self._now)
                case _:
                    condition = self._content.conditions.get(bound.rule.id)
                    due = condition.due(bound) if condition is not None else None
                    if due is not None:
                        yield max(due, self._now)
        for alarm in self._content.alarms.values():
            yield from self._silencing_changes(alarm)

    # -- rules on values --------------------------------------------------------------------------------

    def _apply_change(
        self, bound: BoundRule, condition: ConditionState, change: ConditionChange | None
    ) -> list[AlarmEvent]:
        events = self._report_rule_error(bound, condition.error)
        if change is not None:
            alarm = self._alarm(bound.rule)
            corrected = corrects_past(change)
            if corrected is not None:
                # The alarm may take another beginning: what it was before is in history.
                raised = alarm.raised_time if alarm.raised_time is not None else corrected
                self._request_repair(bound, min(corrected, raised))
            events += apply_change(
                alarm, change, lambda shift: explain(shift, bound, self._model), self._time
            )
        return events

    def _on_rule_version(self, bound: BoundRule) -> list[AlarmEvent]:
        """Evaluate the stored points again where the rule has another version."""
        known = self._content.conditions.get(bound.rule.id)
        if known is None or known.rule_version == bound.rule.version:
            return self._report_rule_error(bound, known.error if known is not None else "")
        condition = self._content.conditions[bound.rule.id] = known.reevaluated(bound)
        events = self._report_rule_error(bound, condition.error)
        alarm = self._alarm(bound.rule)
        severity = Severity(condition.severity(bound))
        text = f"by version {bound.rule.version} of the rule"
        fault = bound.fault or condition.error
        if not severity and fault and alarm.active:
            # It is not known to be over: it is withdrawn, and the alarm about the rule says why.
            cause = self._rule_change(bound.rule.id, self._now, f"{RULE_FAULT}: {fault}")
            return events + self._with_newest_values(alarm, alarm.withdraw(cause))
        if not severity:
            ended = alarm.end(None, self._rule_change(bound.rule.id, self._now, text))
            return events + self._with_newest_values(alarm, ended)
        if not condition.changes:
            return events
        explanation = explain(condition.changes[-1], bound, self._model)
        cause = self._rule_change(bound.rule.id, condition.changes[-1].time, text)
        if alarm.active:
            return events + alarm.change_severity(severity, explanation, cause)
        return events + alarm.raise_(severity, explanation, cause)

    def _report_rule_error(self, bound: BoundRule, error: str) -> list[AlarmEvent]:
        """Raise the alarm that a rule cannot be evaluated here, or let it return when it can.

        `error` is of the newest point; a rule with a fault cannot be evaluated, whatever its points are.
        """
        error = bound.fault or error
        known = self._content.alarms.get(alarm_id(RULE_ERROR_ID, self._entity, bound.rule.id))
        if bool(error) == (known is not None and known.active):
            return []
        alarm = self._alarm(rule_error_rule(bound.rule), bound.rule.id)
        text = error or "it can be evaluated again"
        explanation = Explanation(
            (),
            f"Rule {bound.rule.id}, {self._name}: {text}.",
            f"Regel {bound.rule.id}, {self._name}: {text}.",
        )
        return self._raise_or_return(alarm, Severity.MAJOR if error else 0, explanation, self._now)

    # -- silent sensors and outages ---------------------------------------------------------------------

    def _sensors(self, silence: SilenceCondition) -> Iterator[tuple[Sensor, SensorActivity, Instant]]:
        """Yield each monitored sensor with its activity and the log time from which on it is silent.

        A sensor that has never reported is not missed. A silent household meter raises no alarm.
        """
        for sensor in monitored_sensors(self._entity, silence, self._model):
            activity = self._content.sensor_activity.get(sensor.id)
            if activity is not None and not sensor.personal:
                silent = silent_from(silence, sensor, activity, self._context.partition.ticks_since)
                yield sensor, activity, silent

    def _check_silence(self, rule: Rule, silence: SilenceCondition) -> list[AlarmEvent]:
        """Raise the alarms of sensors that are silent now; let those of sensors that report again return."""
        events: list[AlarmEvent] = []
        for sensor, activity, due in self._sensors(silence):
            alarm = self._alarm(rule, sensor.id)
            received = activity.received_time
            if alarm.active and alarm.raised_time is not None and received > alarm.raised_time:
                severity, time = 0, received
            elif not alarm.active and due <= self._now:
                severity, time = int(silence.severity), due
            else:
                continue
            since = received, self._model.city.timezone
            sentences = silence_sentence(rule.title, self._name, sensor.id, since, returned=not severity)
            events += self._raise_or_return_suppressed(alarm, severity, Explanation((), *sentences), time)
        return events

    def _dependencies(self, outage: OutageCondition) -> Iterator[tuple[str, Instant | None, Instant]]:
        """Yield each dependency with the log time from which on it is out, and of its last report."""
        for dependency in self._context.dependencies.of_entity(self._entity, outage):
            activity = self._content.dependency_activity.get(dependency)
            if activity is not None:
                sensors = self._context.dependencies.dependent_sensors(dependency)
                due = activity.outage_from(outage, sensors, self._context.partition.ticks_since)
                yield dependency, due, activity.last_received

    def _check_outages(self, rule: Rule, outage: OutageCondition) -> list[AlarmEvent]:
        """Raise the alarms of dependencies that are out now; let those that carry reports again return."""
        events: list[AlarmEvent] = []
        for dependency, due, last in self._dependencies(outage):
            # The feeds are all dependencies of the city: one entity has several alarms of the rule.
            alarm = self._alarm(rule, alarm_suffix(outage, dependency))
            # An outage ends with the next message, not with a change of what is expected.
            if alarm.active and alarm.raised_time is not None and last > alarm.raised_time:
                events += self._record_outage(alarm, rule, dependency, None, last)
            elif not alarm.active and due is not None and due <= self._now:
                events += self._record_outage(alarm, rule, dependency, outage.severity, due)
        return events

    def _record_outage(
        self, alarm: Alarm, rule: Rule, dependency: str, severity: Severity | None, time: Instant
    ) -> list[AlarmEvent]:
        """Raise the alarm of an outage, or let it return with severity None; note it for all partitions."""
        last = self._content.dependency_activity[dependency].last_received
        subject = dependency, len(self._context.dependencies.dependent_sensors(dependency))
        since = last, self._model.city.timezone
        sentences = outage_sentence(rule.title, self._name, subject, since, returned=severity is None)
        began = last if severity is not None else None
        self.outages.append(DependencyOutage(dependency, began, alarm.id, self._time.revision, last))
        return self._raise_or_return_suppressed(alarm, severity or 0, Explanation((), *sentences), time)

    # -- shelving, suppression, service -----------------------------------------------------------------

    def _suppressor(self, alarm: Alarm) -> str:
        """Return what suppresses an alarm now: the id of an outage's alarm, `maintenance`, or nothing."""
        sensor = self._model.sensors.get(alarm.sensor)
        if sensor is None:
            return ""
        for outage in self._outages_of(sensor):
            is_excused = outage.since is not None or self._now < self._excused_until(sensor, outage)
            if outage.alarm != alarm.id and is_excused:
                return outage.alarm
        return "maintenance" if self._model.maintenance_of_sensor(sensor.id).includes(self._now) else ""

    def _outages_of(self, sensor: Sensor) -> Iterator[DependencyOutage]:
        """Yield the last outage of each dependency of a sensor, over or not."""
        outages = self._context.partition.outages
        yield from (outages[id] for id in dependencies_of(sensor) if id in outages)

    def _excused_until(self, sensor: Sensor, outage: DependencyOutage) -> Instant:
        """Return until when a sensor may stay silent after an outage: until its next report is missed.

        The sensors of a gateway report one after the other once it works again, not all at once.
        """
        activity = self._content.sensor_activity.get(sensor.id)
        has_reported = activity is not None and activity.received_time >= outage.last_received
        return outage.last_received if has_reported else report_missed_from(outage.last_received, sensor)

    def _silencing_changes(self, alarm: Alarm) -> Iterator[Instant]:
        """Yield the times at which shelving or suppression of an alarm may begin or end by itself."""
        if alarm.shelved_until is not None:
            yield alarm.shelved_until
        sensor = self._model.sensors.get(alarm.sensor)
        if sensor is not None:
            times = [
                self._excused_until(sensor, outage)
                for outage in self._outages_of(sensor)
                if outage.since is None
            ]
            times += self._model.maintenance_of_sensor(sensor.id).changes_after(self._now)
            yield from (time for time in times if time > self._now)

    def _update_silencing(self, alarm: Alarm) -> list[AlarmEvent]:
        """End shelving that is over; begin or end suppression."""
        events: list[AlarmEvent] = []
        shelved_until = alarm.shelved_until
        if alarm.state == AlarmState.SHELVED and shelved_until is not None and shelved_until <= self._now:
            events += _events(alarm.unshelve(self._time.context(shelved_until)))
        if alarm.has_history and (alarm.active or alarm.suppressed_by):
            events += self._update_suppression(alarm)
        return events

    def _update_suppression(self, alarm: Alarm) -> list[AlarmEvent]:
        events = alarm.suppress(self._suppressor(alarm), self._time.context(self._now))
        return self._with_newest_values(alarm, events)

    def _rule_of(self, alarm: Alarm) -> BoundRule | None:
        """Return the rule that an alarm is about; None if the model does not have it for this entity."""
        return self._rules.rules.get(alarm.sensor if alarm.rule == RULE_ERROR_ID else alarm.rule)

    def _is_of_retired_sensor(self, alarm: Alarm, rule: Rule) -> bool:
        is_of_sensor = alarm.rule == rule.id and isinstance(rule.condition, SilenceCondition)
        return is_of_sensor and alarm.sensor not in self._model.sensors

    def _withdraw(self, alarm: Alarm, reason: str) -> list[AlarmEvent]:
        """Withdraw an alarm that no rule of the model concerns any more, for a reason.

        It is kept if it has history: when the rule comes again, its occurrences and revisions continue.
        """
        if alarm.rule in self._model.withdrawn_rules:
            cause = self._rule_change(alarm.rule, self._now, "the rule was deleted")
        else:
            cause = self._time.context(self._now, text=reason)
        events = self._with_newest_values(alarm, alarm.withdraw(cause))
        if not alarm.has_history:
            del self._content.alarms[alarm.id]
        return events

    def _rule_change(self, rule: str, time: Instant, text: str) -> TransitionContext:
        """Return the context of a change that whoever last changed a rule has caused."""
        return self._time.context(time, text=text, actor=self._model.rule_authors.get(rule, ""))

    def _with_newest_values(self, alarm: Alarm, events: Iterable[AlarmEvent]) -> list[AlarmEvent]:
        """Return events with the newest values of the alarm's operands: its condition may hold."""
        condition, operands = self._content.conditions.get(alarm.rule), alarm.explanation.operands
        points = condition.memory.current if condition is not None else []
        if len(points) != len(operands):
            return list(events)
        newest = tuple(_with_point(operand, point) for operand, point in zip(operands, points, strict=True))
        return [msgspec.structs.replace(event, operands=newest) for event in events]

    def _follow_enabled(self, alarm: Alarm, rule: Rule) -> list[AlarmEvent]:
        """Take the alarm of a disabled rule out of service, and back when the rule is enabled."""
        if rule.enabled != (alarm.state == AlarmState.OUT_OF_SERVICE):
            return []
        if rule.enabled:
            cause = self._rule_change(rule.id, self._now, "the rule is switched on")
            return _events(alarm.apply_trigger(Trigger.RESTORE, "restored", cause))
        cause = self._rule_change(rule.id, self._now, "the rule is switched off")
        removed = alarm.apply_trigger(Trigger.REMOVE, "removed", cause)
        return self._with_newest_values(alarm, _events(removed))

    # -- the alarms -------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        """The entity's name, for people."""
        entity = self._model.entities.get(self._entity)
        return entity.name if entity is not None else self._entity

    def _alarm(self, rule: Rule, sensor: str = "") -> Alarm:
        """Return the alarm of a rule, with the rule's present description; created if it is new."""
        id = alarm_id(rule.id, self._entity, sensor)
        alarm = self._content.alarms.get(id)
        if alarm is None:
            alarm = self._content.alarms[id] = Alarm(id, rule.id, self._entity, sensor)
            if not rule.enabled:
                alarm.state = AlarmState.OUT_OF_SERVICE  # a new alarm: no event is needed
        alarm.apply_rule(rule, self._incident_area(rule))
        return alarm

    def _incident_area(self, rule: Rule) -> str:
        """Return the area whose incident an alarm of this entity belongs to."""
        entities = self._model.entities
        entity = entities.get(self._entity)
        areas = self._context.rule_index.ancestors(entity) if entity is not None else [self._entity]
        matching = (id for id in areas if id in entities and entities[id].type == rule.incident_area)
        return next(matching, areas[-1])

    def _raise_or_return(
        self, alarm: Alarm, severity: int, explanation: Explanation, time: Instant
    ) -> list[AlarmEvent]:
        """Raise an alarm at an event time, or, with severity 0, let it return."""
        cause = self._time.context(time)
        if severity:
            return alarm.raise_(Severity(severity), explanation, cause)
        return alarm.end(explanation, cause)

    def _raise_or_return_suppressed(
        self, alarm: Alarm, severity: int, explanation: Explanation, time: Instant
    ) -> list[AlarmEvent]:
        """Raise an alarm or let it return, so that a suppressed alarm is never unsuppressed in between."""
        if severity:
            suppression = self._update_suppression(alarm)
            return [*suppression, *self._raise_or_return(alarm, severity, explanation, time)]
        return [*self._raise_or_return(alarm, 0, explanation, time), *self._update_suppression(alarm)]


def begin_condition(bound: BoundRule, content: AlarmContent) -> ConditionState:
    """Add the condition of a rule on an entity to its content, and return it; resume from a known alarm."""
    condition = content.conditions[bound.rule.id] = ConditionState.initial(bound)
    alarm = content.alarms.get(alarm_id(bound.rule.id, bound.entity))
    if alarm is not None:
        # The alarm is of a log that was lost. The points that raised or ended it are not evaluated again.
        last_change = max(alarm.raised_time or INSTANT_MIN, alarm.returned_time or INSTANT_MIN)
        condition.resume(bound, int(alarm.severity) if alarm.active else 0, last_change)
    return condition


def is_about(correction: AlarmCorrection, alarm: Alarm) -> bool:
    """Whether storage had all events of an alarm when it computed a correction.

    Storage takes over from them whether the condition held where it begins to evaluate, and how bad the last
    occurrence has been. An event that it did not have yet may say otherwise.
    """
    return correction.last_revision == alarm.revision


def _with_point(operand: OperandValue, point: Point | None) -> OperandValue:
    if point is None or point.is_withdrawn:
        return operand
    sources = point.sources[:SOURCES_MAX]
    return operand._replace(value=point.value, flags=point.flags, time=point.time, sources=sources)


def _events(transition: AlarmEvent | TransitionRefused) -> list[AlarmEvent]:
    return [transition] if isinstance(transition, AlarmEvent) else []


def _outdated(command: AlarmCommand, alarm: Alarm) -> str:
    """Return why a command is for another state of an alarm than the present one; empty if it is not."""
    if command.occurrence not in (0, alarm.occurrence):
        return f"the command is for occurrence {command.occurrence}, the present one is {alarm.occurrence}"
    if command.worst and alarm.worst > command.worst:
        return "the alarm has become worse than the person knows"
    return ""


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
