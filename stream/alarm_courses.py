"""The rules of an entity that look at values: their courses, and the alarms that follow them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stream.alarms.alarm_content import AlarmContent
from stream.alarms.entity_alarms import EntityAlarms
from twin.alarms.alarm import Alarm
from twin.alarms.evaluation.alarm_transitions import apply_change
from twin.alarms.evaluation.condition_state import ConditionChange, ConditionState
from twin.alarms.evaluation.explanation import explain
from twin.alarms.messages import AlarmEvent, SeriesPoints, alarm_id
from twin.alarms.rules.rule_index import BoundRule, EntityRules
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MIN, Instant


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
