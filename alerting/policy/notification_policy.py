"""The messages that a step, a reminder, a recovery or a change causes, and the state after them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
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
"""The pauses of an incident whose route was removed: its recovery must still be sent."""


CHANGE_PAUSE_MAX: Duration = HOUR
"""Changes of a growing incident are sent after `groupInterval`; the pause doubles each time up to this."""


class DutyContext(NamedTuple):
    """The model with its duty plan, and the time of a decision."""

    model: CityModel
    now: Instant


StepResult: TypeAlias = tuple[IncidentState, tuple[EscalationDecision, ...]]


class _MessageSource(NamedTuple):
    """The reason for sending a message; part of its id."""

    kind: MessageKind
    step: int
    tag: str  #: see `alerting.incidents.incident_state.notification_id`


def policy_of(state: IncidentState, model: CityModel) -> EscalationPolicy:
    """Return the escalation policy of an incident."""
    route = match_route(state, model)
    return route.policy if route is not None else FALLBACK_POLICY


def after_pause(context: DutyContext, pause: Duration) -> Instant | None:
    """Return when a pause that begins now is over; None if there is no pause."""
    return context.now + pause if pause else None


def notify_step(state: IncidentState, route: MatchedRoute, context: DutyContext) -> StepResult:
    """Notify the recipients of the next step that has any; without such a step, try again after the last."""
    decisions: list[EscalationDecision] = []
    policy = route.policy
    for _ in policy.steps:
        if state.step >= len(policy.steps):
            state = replace(state, step=0, round=state.round + 1, asked=())
        if state.round > policy.repeat and state.reached:
            due = after_pause(context, policy.remind)
            return replace(state, phase=IncidentPhase.UNANSWERED, due=due), tuple(decisions)
        number = state.step
        state = replace(state, step=number + 1, due=context.now + policy.steps[number].wait)
        to = recipients(state, route, number, context.model.duty, context.now)
        if to:
            tag = "" if state.escalation == 1 else f"{state.kind}-{state.escalation}"
            requests = _requests(state, to, _MessageSource(state.kind, number, tag), context)
            state = _with_reported_to(state, to, context)
            asked = tuple(dict.fromkeys((*state.asked, *(one.contact for one in to))))
            pending = tuple(request.notification for request in requests)
            state = replace(state, pending_messages=pending, step_reached=False, asked=asked)
            return state, (*decisions, *requests)
        reason = f"step {number + 1} of policy {policy.id} has nobody to notify"
        decisions.append(UnreachableStep(state.id, number, reason))
    return state, tuple(decisions)


def notify_reminder(state: IncidentState, route: MatchedRoute, context: DutyContext) -> StepResult:
    """Remind the last step of an unanswered incident, or the first step of an acknowledged one."""
    number = 0 if state.phase is IncidentPhase.ACKNOWLEDGED else len(route.policy.steps) - 1
    state = replace(state, due=after_pause(context, route.policy.remind))
    to = recipients(state, route, number, context.model.duty, context.now)
    return notify_recipients(state, to, "reminder", context)


def notify_recovery(state: IncidentState, context: DutyContext) -> StepResult:
    """Notify everybody who was notified that the incident is over."""
    state = replace(state, due=None, resume=None)
    after, decisions = notify_recipients(state, state.notified, "recovery", context)
    return replace(after, notified=()), decisions


def notify_change(state: IncidentState, context: DutyContext) -> StepResult:
    """Notify earlier recipients, except those a step just notified, of new alarms; none if they cleared."""
    to = [one for one in state.notified if one not in state.up_to_date] if unreported_alarms(state) else []
    after, decisions = notify_recipients(state, to, "change", context)
    if not to:
        return with_all_reported(state), decisions
    return replace(after, change_notices=state.change_notices + 1), decisions


def notify_recipients(
    state: IncidentState, to: Sequence[Recipient], kind: MessageKind, context: DutyContext
) -> StepResult:
    """Send a message that is not part of a step; do nothing without recipients."""
    if not to:
        return state, ()
    number = max(0, state.step - 1)
    state = replace(state, notices=state.notices + 1)
    tag = f"{'news' if kind == 'change' else kind}-{state.notices}"
    after = _with_reported_to(state, to, context) if kind == "reminder" else _with_reported(state, context)
    return after, _requests(state, to, _MessageSource(kind, number, tag), context)


def unreported_alarms(state: IncidentState) -> tuple[str, ...]:
    """Return the open alarms that no message has contained."""
    return tuple(one.alarm for one in state.open_members if one.alarm not in state.reported_alarms)


def change_due_time(state: IncidentState, context: DutyContext) -> Instant:
    """Return when a change may be sent: soon, but not too soon after the last message."""
    policy = policy_of(state, context.model)
    soonest = context.now + policy.group_wait
    if state.last_notified is None:
        return soonest
    pause = policy.group_interval << state.change_notices
    longest = max(policy.group_interval, CHANGE_PAUSE_MAX)
    return max(soonest, state.last_notified + min(pause, longest))


def with_all_reported(state: IncidentState) -> IncidentState:
    """Return a state without unreported alarms."""
    reported = tuple(member.alarm for member in state.incident.members)
    return replace(state, reported_alarms=reported, change_due=None, up_to_date=())


def _with_reported_to(state: IncidentState, to: Sequence[Recipient], context: DutyContext) -> IncidentState:
    """Store what a step or reminder has reported; earlier recipients without that message get a change."""
    up_to_date = tuple(dict.fromkeys((*state.up_to_date, *to)))
    if state.change_due is None or set(state.notified) <= set(up_to_date):
        return _with_reported(state, context)
    return replace(
        state,
        last_notified=context.now,
        notified_severity=max(state.notified_severity, state.incident.severity),
        up_to_date=up_to_date,
    )


def _with_reported(state: IncidentState, context: DutyContext) -> IncidentState:
    """Store that a message has reported all alarms."""
    severity = max(state.notified_severity, state.incident.severity)
    return replace(with_all_reported(state), last_notified=context.now, notified_severity=severity)


def _requests(
    state: IncidentState, to: Sequence[Recipient], source: _MessageSource, context: DutyContext
) -> tuple[NotificationRequest, ...]:
    return tuple(
        NotificationRequest(
            notification=notification_id(state, source.step, recipient, source.tag),
            incident=state.id,
            kind=source.kind,
            round=state.round,
            step=source.step,
            contact=recipient.contact,
            channel=recipient.channel,
            due_time=context.now,
        )
        for recipient in to
    )
