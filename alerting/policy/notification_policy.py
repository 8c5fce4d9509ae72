"""Telling people: which messages a step, a reminder, a recovery or a change makes of a case. Pure."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from alerting.incidents.incident_state import (
    EscalationDecision,
    IncidentPhase,
    IncidentState,
    MessageKind,
    NotificationRequest,
    Recipient,
    UnreachableStep,
    notification_id,
)
from alerting.policy.routing import MatchedRoute, match_route, recipients
from twin.instant import HOUR, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.duty import EscalationPolicy

FALLBACK_POLICY = EscalationPolicy(id="", steps=())
"""By its times a case goes whose route is gone: it still has to tell that it is over."""


CHANGE_PAUSE_MAX: Duration = HOUR
"""News of an incident that grows comes after `groupInterval`, then after ever twice as long, up to this."""


class DutyContext(NamedTuple):
    """What a step is done by."""

    model: CityModel
    now: Instant


StepResult: TypeAlias = tuple[IncidentState, tuple[EscalationDecision, ...]]


class _MessageReason(NamedTuple):
    kind: MessageKind
    step: int
    tag: str  #: `alerting.incidents.incident_state.notification_id`


def policy_of(case: IncidentState, model: CityModel) -> EscalationPolicy:
    """Return the policy that a case goes by."""
    way = match_route(case, model)
    return way.policy if way is not None else FALLBACK_POLICY


def after_pause(around: DutyContext, pause: Duration) -> Instant | None:
    """Return when a pause is over that begins now; None without one."""
    return around.now + pause if pause else None


def notify_step(case: IncidentState, way: MatchedRoute, around: DutyContext) -> StepResult:
    """Tell the next step that has somebody to tell; without any, try again when the last one had waited."""
    decisions: list[EscalationDecision] = []
    for _ in way.policy.steps:
        if case.step >= len(way.policy.steps):
            case = replace(case, step=0, round=case.round + 1)
        if case.round > way.policy.repeat and case.reached:
            due = after_pause(around, way.policy.remind)
            return replace(case, phase=IncidentPhase.UNANSWERED, due=due), tuple(decisions)
        number = case.step
        case = replace(case, step=number + 1, due=around.now + way.policy.steps[number].wait)
        to = recipients(case, way, number, around.model.duty, around.now)
        if to:
            tag = "" if case.escalation == 1 else f"{case.kind}-{case.escalation}"
            sends = _requests(case, to, _MessageReason(case.kind, number, tag), around)
            case = _with_reported_to(case, to, around)
            waiting = tuple(one.notification for one in sends)
            return replace(case, waiting=waiting, step_reached=False), (*decisions, *sends)
        reason = f"nobody to tell by step {number + 1} of policy {way.policy.id}"
        decisions.append(UnreachableStep(case.id, number, reason))
    return case, tuple(decisions)


def notify_reminder(case: IncidentState, way: MatchedRoute, around: DutyContext) -> StepResult:
    """Remind the last step of an unanswered case, the first of an acknowledged one."""
    number = 0 if case.phase is IncidentPhase.ACKNOWLEDGED else len(way.policy.steps) - 1
    case = replace(case, due=after_pause(around, way.policy.remind))
    to = recipients(case, way, number, around.model.duty, around.now)
    return notify_recipients(case, to, "reminder", around)


def notify_recovery(case: IncidentState, around: DutyContext) -> StepResult:
    """Tell those who were told that it is over."""
    case = replace(case, due=None, resume=None)
    done, decisions = notify_recipients(case, list(case.told), "recovery", around)
    return replace(done, told=()), decisions


def notify_change(case: IncidentState, around: DutyContext) -> StepResult:
    """Tell those who were told, and not by a step meanwhile, what is new; nothing when that is over again."""
    to = [one for one in case.told if one not in case.abreast] if unreported_alarms(case) else []
    done, decisions = notify_recipients(case, to, "change", around)
    return (replace(done, changes=case.changes + 1) if to else with_all_reported(case)), decisions


def notify_recipients(
    case: IncidentState, to: list[Recipient], kind: MessageKind, around: DutyContext
) -> StepResult:
    """Tell somebody something beside the steps."""
    if not to:
        return case, ()
    number = max(0, case.step - 1)
    case = replace(case, tellings=case.tellings + 1)
    tag = f"{'news' if kind == 'change' else kind}-{case.tellings}"
    after = _with_reported_to(case, to, around) if kind == "reminder" else _with_reported(case, around)
    return after, _requests(case, to, _MessageReason(kind, number, tag), around)


def unreported_alarms(case: IncidentState) -> tuple[str, ...]:
    """Return the alarms that no message has spoken of."""
    return tuple(one.alarm for one in case.open_members if one.alarm not in case.known)


def change_due_time(case: IncidentState, around: DutyContext) -> Instant:
    """Return when news may be told: soon, but not too soon after the last message."""
    policy = policy_of(case, around.model)
    soonest = around.now + policy.group_wait
    if case.last_told is None:
        return soonest
    pause = policy.group_interval << case.changes
    return max(soonest, case.last_told + min(pause, max(policy.group_interval, CHANGE_PAUSE_MAX)))


def with_all_reported(case: IncidentState) -> IncidentState:
    """Return a case that has nothing new for those who were told."""
    known = tuple(one.alarm for one in case.incident.members)
    return replace(case, known=known, change_due=None, abreast=())


def _with_reported_to(case: IncidentState, to: list[Recipient], around: DutyContext) -> IncidentState:
    """Remember what a step or reminder has spoken of: whom it does not go to hears the news yet."""
    abreast = tuple(dict.fromkeys((*case.abreast, *to)))
    if case.change_due is None or set(case.told) <= set(abreast):
        return _with_reported(case, around)
    severity = max(case.severity, case.incident.severity)
    return replace(case, last_told=around.now, severity=severity, abreast=abreast)


def _requests(
    case: IncidentState, to: list[Recipient], what: _MessageReason, around: DutyContext
) -> tuple[NotificationRequest, ...]:
    return tuple(
        NotificationRequest(
            notification=notification_id(case, what.step, one, what.tag),
            incident=case.id,
            kind=what.kind,
            round=case.round,
            step=what.step,
            contact=one.contact,
            channel=one.channel,
            due_time=around.now,
        )
        for one in to
    )


def _with_reported(case: IncidentState, around: DutyContext) -> IncidentState:
    """Remember what a message has spoken of."""
    severity = max(case.severity, case.incident.severity)
    return replace(with_all_reported(case), last_told=around.now, severity=severity)
