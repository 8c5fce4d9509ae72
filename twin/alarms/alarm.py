"""An alarm: what it is now, and the events that tell what happens to it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.rules.rule import Rule
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState, AlarmStatus, TransitionRefused, Trigger, next_status
from twin.instant import Instant


class TransitionContext(NamedTuple):
    """Why something happens to an alarm."""

    time: Instant  #: event time
    now: Instant  #: log time
    revision: Instant  #: the least that the event may have: it outranks what an earlier log or model told
    late: bool = False
    actor: str = ""
    text: str = ""
    command: str = ""


class StreamTime(NamedTuple):
    """When something is found out."""

    now: Instant  #: log time
    revision: Instant

    def context(self, time: Instant, *, late: bool = False, text: str = "") -> TransitionContext:
        """Return the process as the cause of what happened at an event time."""
        return TransitionContext(time, self.now, self.revision, late, text=text)


class Explanation(NamedTuple):
    """What the process looked like at its last change."""

    operands: tuple[OperandValue, ...] = ()
    sentence_en: str = ""
    sentence_nl: str = ""


class Alarm(msgspec.Struct, array_like=True):
    """One alarm of one entity. Mutable, owned by one partition of one worker; goes into a checkpoint."""

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
    worst: Severity = Severity.CLEARED  #: of the occurrence
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
        """Take over what the rule says of the alarm; `area` is that of its incidents."""
        self.rule_version, self.theme = rule.version, rule.theme
        self.cause, self.area, self.latching = rule.incident_cause, area, rule.latching

    @property
    def has_history(self) -> bool:
        """Whether there is anything to remember."""
        return self.occurrence > 0 or self.state != AlarmState.NORMAL

    def apply_trigger(
        self, trigger: Trigger, kind: str, cause: TransitionContext
    ) -> AlarmEvent | TransitionRefused:
        """Let something happen; return the event that tells it, or why it cannot."""
        after = next_status(AlarmStatus(AlarmState(self.state), self.active), trigger, latching=self.latching)
        if isinstance(after, TransitionRefused):
            return after
        self.state, self.active = after
        return self.emit(kind, cause)

    def raise_(
        self, severity: Severity, explanation: Explanation, cause: TransitionContext
    ) -> list[AlarmEvent]:
        """Begin an occurrence; nothing where one is under way."""
        if self.active:
            return []
        self.occurrence += 1
        self.severity = self.worst = severity
        self.raised_time, self.returned_time = cause.time, None
        self.acknowledged_time, self.acknowledged_by, self.assignee = None, "", ""
        self.explanation = explanation
        return _told(self.apply_trigger(Trigger.RAISE, "raised", cause))

    def reopen(
        self, severity: Severity, explanation: Explanation | None, cause: TransitionContext
    ) -> list[AlarmEvent]:
        """Let the last occurrence go on, since `cause.time`: that it was over was wrong."""
        self.severity, self.worst = severity, max(self.worst, severity)
        self.raised_time, self.returned_time = cause.time, None
        if explanation is not None:
            self.explanation = explanation
        return _told(self.apply_trigger(Trigger.RAISE, "raised", cause))

    def change_severity(
        self, severity: Severity, explanation: Explanation | None, cause: TransitionContext
    ) -> list[AlarmEvent]:
        """Let an occurrence go on at another severity; only one worse than ever is news for who knew."""
        if not self.active or severity == self.severity:
            return []
        kind = "worsened" if severity > self.severity else "eased"
        trigger = Trigger.WORSEN if severity > self.worst else Trigger.EASE
        self.severity, self.worst = severity, max(self.worst, severity)
        if explanation is not None:
            self.explanation = explanation
        if trigger is Trigger.WORSEN:
            self.acknowledged_time, self.acknowledged_by = None, ""
        return _told(self.apply_trigger(trigger, kind, cause))

    def acknowledge(self, cause: TransitionContext) -> AlarmEvent | TransitionRefused:
        """Take down that somebody knows of it."""
        found = self.apply_trigger(Trigger.ACKNOWLEDGE, "acknowledged", cause)
        if isinstance(found, TransitionRefused):
            return found
        self.acknowledged_time, self.acknowledged_by = cause.time, cause.actor
        return msgspec.structs.replace(
            found, acknowledged_time=self.acknowledged_time, acknowledged_by=self.acknowledged_by
        )

    def shelve(self, until: Instant, cause: TransitionContext) -> AlarmEvent | TransitionRefused:
        """Set it aside until an instant of the log's clock."""
        found = self.apply_trigger(Trigger.SHELVE, "shelved", cause)
        if isinstance(found, TransitionRefused):
            return found
        self.shelved_until = until
        return msgspec.structs.replace(found, shelved_until=until)

    def unshelve(self, cause: TransitionContext) -> AlarmEvent | TransitionRefused:
        """Take it up again."""
        before, self.shelved_until = self.shelved_until, None
        found = self.apply_trigger(Trigger.UNSHELVE, "unshelved", cause)
        if isinstance(found, TransitionRefused):
            self.shelved_until = before
        return found

    def suppress(self, by: str, cause: TransitionContext) -> list[AlarmEvent]:
        """Silence it by design, because of another alarm or of maintenance; "" ends that."""
        if by == self.suppressed_by:
            return []
        suppressed, self.suppressed_by = bool(self.suppressed_by), by
        if by and suppressed:
            return [self.emit("suppressed", cause)]
        if by:
            found = self.apply_trigger(Trigger.SUPPRESS, "suppressed", cause)
        else:
            found = self.apply_trigger(Trigger.UNSUPPRESS, "unsuppressed", cause)
        if isinstance(found, TransitionRefused):
            self.suppressed_by = ""  # shelved, or out of service: it is silent as it is
        return _told(found)

    def end(self, explanation: Explanation | None, cause: TransitionContext) -> list[AlarmEvent]:
        """End an occurrence."""
        if not self.active:
            return []
        self.severity, self.returned_time = self.worst, cause.time
        if explanation is not None:
            self.explanation = explanation
        return _told(self.apply_trigger(Trigger.RETURN, "returned", cause))

    def retract(self, cause: TransitionContext) -> list[AlarmEvent]:
        """Take an occurrence back: it never was."""
        self.returned_time = cause.time
        return _told(self.apply_trigger(Trigger.RETRACT, "retracted", cause))

    def emit(self, kind: str, cause: TransitionContext) -> AlarmEvent:
        """Return an event of what the alarm is now."""
        self.revision = max(self.revision + 1, cause.revision)
        return AlarmEvent(
            alarm=self.id,
            revision=self.revision,
            kind=kind,
            time=cause.time,
            told_time=cause.now,
            late=cause.late,
            actor=cause.actor,
            text=cause.text,
            command=cause.command,
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
        )

    @classmethod
    def from_event(cls, event: AlarmEvent) -> Alarm:
        """Return the alarm that an event told of."""
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
            worst=event.severity,
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


def _told(found: AlarmEvent | TransitionRefused) -> list[AlarmEvent]:
    return [found] if isinstance(found, AlarmEvent) else []
