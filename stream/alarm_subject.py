"""The alarms of one entity: evaluated from what came, and from what did not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stream.alarm_courses import ValueRules
from stream.alarm_listening import AbsenceRules
from stream.alarms.alarm_content import AlarmContent
from stream.alarms.entity_alarms import EntityAlarms, EvaluationContext
from twin.alarms.alarm import Alarm
from twin.alarms.messages import AlarmEvent, DependencyOutage, SeriesPoints
from twin.alarms.rules.rule import RULE_ERROR_ID, OutageCondition, Rule, SilenceCondition
from twin.alarms.state_machine import AlarmState, TransitionRefused, Trigger
from twin.instant import Instant


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
