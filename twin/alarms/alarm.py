"""Alarms: the state of one alarm, and the events of its changes."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.rules.rule import Rule
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState, AlarmStatus, TransitionRefused, Trigger, next_status
from twin.instant import Instant


class TransitionContext(NamedTuple):
    """When, why and by whom an alarm changes."""

    time: Instant  #: event time
    now: Instant  #: log time
    revision: Instant  #: the least revision of the event, above those of an earlier log or model
    late: bool = False
    actor: str = ""
    text: str = ""
    command: str = ""


class StreamTime(NamedTuple):
    """The time at which the stage evaluates, and the least revision of what follows."""

    now: Instant  #: log time
    revision: Instant

    def context(
        self, time: Instant, *, late: bool = False, text: str = "", actor: str = ""
    ) -> TransitionContext:
        """Return the context of a change at an event time, by the process unless `actor` changed its rule."""
        return TransitionContext(time, self.now, self.revision, late, actor, text)


class Explanation(NamedTuple):
    """The values and the sentences that explain the last change by the process."""

    operands: tuple[OperandValue, ...] = ()
    sentence_en: str = ""
    sentence_nl: str = ""


class Alarm(msgspec.Struct, array_like=True):
    """One alarm of one entity. Mutable; owned by one partition of one worker; part of a checkpoint."""

    id: str
    rule: str
    entity: str
    sensor: str = ""
    rule_version: int = 0
    theme: str = ""
    cause: str = ""
    area: str = ""
    state: str = AlarmState.NORMAL
    active: bool = False
    latching: bool = False
    severity: Severity = Severity.CLEARED
    worst: Severity = Severity.CLEARED  #: the worst of the occurrence
    occurrence: int = 0
    revision: int = 0
    raised_time: Instant | None = None
    returned_time: Instant | None = None
    acknowledged_time: Instant | None = None
    acknowledged_by: str = ""
    shelved_until: Instant | None = None
    suppressed_by: str = ""
    assignee: str = ""
    explanation: Explanation = Explanation()

    def apply_rule(self, rule: Rule, area: str) -> None:
        """Take over the rule's version, theme and grouping; `area` is the area of its incidents."""
        self.rule_version, self.theme = rule.version, rule.theme
        self.cause, self.area, self.latching = rule.incident_cause, area, rule.latching

    @property
    def has_history(self) -> bool:
        """Whether the alarm must be kept: it had an occurrence, or a person changed its state."""
        return self.occurrence > 0 or self.state != AlarmState.NORMAL

    def apply_trigger(
        self, trigger: Trigger, kind: str, context: TransitionContext
    ) -> AlarmEvent | TransitionRefused:
        """Apply a trigger; return its event, or why it is refused."""
        after = next_status(
            AlarmStatus(AlarmState(self.state), self.active),
            trigger,
            latching=self.latching,
            acknowledged=self.acknowledged_time is not None,
        )
        if isinstance(after, TransitionRefused):
            return after
        self.state, self.active = after
        return self.emit(kind, context)

    def raise_(
        self, severity: Severity, explanation: Explanation, context: TransitionContext
    ) -> list[AlarmEvent]:
        """Begin an occurrence; nothing if there is an active one."""
        if self.active:
            return []
        self.occurrence += 1
        self.severity = self.worst = severity
        self.raised_time, self.returned_time = context.time, None
        self.acknowledged_time, self.acknowledged_by, self.assignee = None, "", ""
        self.explanation = explanation
        return _events(self.apply_trigger(Trigger.RAISE, "raised", context))

    def reopen(
        self, severity: Severity, explanation: Explanation | None, context: TransitionContext
    ) -> list[AlarmEvent]:
        """Continue the last occurrence since `context.time`: its return was wrong.

        People may have been told that it is over, so it needs a new acknowledgement.
        """
        self.severity, self.worst = severity, max(self.worst, severity)
        self.raised_time, self.returned_time = context.time, None
        self.acknowledged_time, self.acknowledged_by = None, ""
        if explanation is not None:
            self.explanation = explanation
        return _events(self.apply_trigger(Trigger.RAISE, "raised", context))

    def change_severity(
        self, severity: Severity, explanation: Explanation | None, context: TransitionContext
    ) -> list[AlarmEvent]:
        """Change the severity of the active occurrence.

        Only a severity worse than all before requires a new acknowledgement.
        """
        if not self.active or severity == self.severity:
            return []
        kind = "worsened" if severity > self.severity else "eased"
        trigger = Trigger.WORSEN if severity > self.worst else Trigger.EASE
        self.severity, self.worst = severity, max(self.worst, severity)
        if explanation is not None:
            self.explanation = explanation
        if trigger is Trigger.WORSEN:
            self.acknowledged_time, self.acknowledged_by = None, ""
        return _events(self.apply_trigger(trigger, kind, context))

    def acknowledge(self, context: TransitionContext) -> AlarmEvent | TransitionRefused:
        """Record that a person knows of the alarm."""
        result = self.apply_trigger(Trigger.ACKNOWLEDGE, "acknowledged", context)
        if isinstance(result, TransitionRefused):
            return result
        self.acknowledged_time, self.acknowledged_by = context.time, context.actor
        return msgspec.structs.replace(
            result, acknowledged_time=self.acknowledged_time, acknowledged_by=self.acknowledged_by
        )

    def shelve(self, until: Instant, context: TransitionContext) -> AlarmEvent | TransitionRefused:
        """Shelve the alarm until an instant of the log's clock."""
        result = self.apply_trigger(Trigger.SHELVE, "shelved", context)
        if isinstance(result, TransitionRefused):
            return result
        self.shelved_until = until
        return msgspec.structs.replace(result, shelved_until=until)

    def unshelve(self, context: TransitionContext) -> AlarmEvent | TransitionRefused:
        """End the shelving."""
        before, self.shelved_until = self.shelved_until, None
        result = self.apply_trigger(Trigger.UNSHELVE, "unshelved", context)
        if isinstance(result, TransitionRefused):
            self.shelved_until = before
        return result

    def suppress(self, by: str, context: TransitionContext) -> list[AlarmEvent]:
        """Suppress the alarm because of another alarm or of maintenance; an empty `by` ends that."""
        if by == self.suppressed_by:
            return []
        suppressed, self.suppressed_by = bool(self.suppressed_by), by
        if by and suppressed:
            return [self.emit("suppressed", context)]
        if by:
            result = self.apply_trigger(Trigger.SUPPRESS, "suppressed", context)
        else:
            result = self.apply_trigger(Trigger.UNSUPPRESS, "unsuppressed", context)
        if isinstance(result, TransitionRefused):
            self.suppressed_by = ""  # shelved or out of service already
        return _events(result)

    def end(self, explanation: Explanation | None, context: TransitionContext) -> list[AlarmEvent]:
        """End the occurrence."""
        if not self.active:
            return []
        self.severity, self.returned_time = self.worst, context.time
        if explanation is not None:
            self.explanation = explanation
        return _events(self.apply_trigger(Trigger.RETURN, "returned", context))

    def retract(self, context: TransitionContext) -> list[AlarmEvent]:
        """Withdraw the occurrence: its condition never held. The state of one that is over may stay."""
        is_over = self.raised_time is not None and not self.active
        self.raised_time, self.returned_time = None, context.time
        result = self.apply_trigger(Trigger.RETRACT, "retracted", context)
        if isinstance(result, TransitionRefused):
            return [self.emit("retracted", context)] if is_over else []
        return [result]

    def withdraw(self, context: TransitionContext) -> list[AlarmEvent]:
        """End the alarm although its condition may hold: no rule concerns it any more."""
        if self.active:
            self.returned_time = context.time
        self.shelved_until, self.suppressed_by = None, ""
        return _events(self.apply_trigger(Trigger.WITHDRAW, "withdrawn", context))

    def emit(self, kind: str, context: TransitionContext) -> AlarmEvent:
        """Return an event with the present state of the alarm."""
        self.revision = max(self.revision + 1, context.revision)
        return AlarmEvent(
            alarm=self.id,
            revision=self.revision,
            kind=kind,
            time=context.time,
            told_time=context.now,
            late=context.late,
            actor=context.actor,
            text=context.text,
            command=context.command,
            rule=self.rule,
            rule_version=self.rule_version,
            entity=self.entity,
            sensor=self.sensor,
            theme=self.theme,
            state=str(self.state),
            active=self.active,
            severity=self.severity,
            occurrence=self.occurrence,
            raised_time=self.raised_time,
            returned_time=self.returned_time,
            acknowledged_time=self.acknowledged_time,
            acknowledged_by=self.acknowledged_by,
            shelved_until=self.shelved_until,
            suppressed_by=self.suppressed_by,
            assignee=self.assignee,
            cause=self.cause,
            area=self.area,
            operands=self.explanation.operands,
            sentence_en=self.explanation.sentence_en,
            sentence_nl=self.explanation.sentence_nl,
            worst=self.worst,
        )

    @classmethod
    def from_event(cls, event: AlarmEvent) -> Alarm:
        """Return the alarm in the state that an event has."""
        return cls(
            id=event.alarm,
            rule=event.rule,
            entity=event.entity,
            sensor=event.sensor,
            rule_version=event.rule_version,
            theme=event.theme,
            cause=event.cause,
            area=event.area,
            state=event.state,
            active=event.active,
            severity=event.severity,
            worst=event.worst_known,
            occurrence=event.occurrence,
            revision=event.revision,
            raised_time=event.raised_time,
            returned_time=event.returned_time,
            acknowledged_time=event.acknowledged_time,
            acknowledged_by=event.acknowledged_by,
            shelved_until=event.shelved_until,
            suppressed_by=event.suppressed_by,
            assignee=event.assignee,
            explanation=Explanation(event.operands, event.sentence_en, event.sentence_nl),
        )


def _events(result: AlarmEvent | TransitionRefused) -> list[AlarmEvent]:
    return [result] if isinstance(result, AlarmEvent) else []
