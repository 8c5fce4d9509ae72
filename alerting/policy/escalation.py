"""The escalation of an incident: each input leads to the next state and to decisions. Pure.

`next_state` is a function of the state, the input, the city model with its duty plan, and the time. It reads
no clock and has no side effects: the same arguments always lead to the same decisions.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from alerting.incidents.incident_state import (
    COMMENTS_MAX,
    DUTY_COMMANDS_MAX,
    RECOVERY_REPEATS_MAX,
    IncidentComment,
    IncidentInput,
    IncidentPhase,
    IncidentState,
    MessageKind,
    MessageOutcome,
    Recipient,
    Tick,
)
from alerting.policy.notification_policy import (
    DutyContext,
    StepResult,
    after_pause,
    change_due_time,
    notify_change,
    notify_recipients,
    notify_recovery,
    notify_reminder,
    notify_step,
    policy_of,
    unreported_alarms,
)
from alerting.policy.routing import contact_recipients, end_of_quiet_hours, match_route
from twin.alarms.messages import IncidentEvent
from twin.alarms.severity import Severity
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.wire.duty_messages import DutyCommand


def open_incident(incident: IncidentEvent, context: DutyContext) -> IncidentState | None:
    """Return the state of an unknown incident; None when it is over already."""
    if not incident.open:
        return None
    return _route(IncidentState(incident=incident, phase=IncidentPhase.UNROUTED, due=None), context)


def next_state(state: IncidentState, input: IncidentInput, context: DutyContext) -> StepResult:
    """Return the state after an input, and the decisions that follow."""
    match input:
        case IncidentEvent():
            if input.revision <= state.incident.revision:
                return state, ()
            return _on_incident(state, input, context)
        case DutyCommand():
            if input.id in state.commands:
                return state, ()
            commands = (*state.commands, input.id)[-DUTY_COMMANDS_MAX:]
            return _on_command(replace(state, commands=commands), input, context)
        case MessageOutcome():
            return _on_outcome(state, input, context), ()
        case Tick():
            return _on_tick(state, context)
        case _:
            assert_never(input)


def next_due(state: IncidentState, model: CityModel) -> Instant | None:
    """Return when a tick has an effect; None if only other inputs have."""
    times = [time for time in (state.due, state.change_due) if time is not None]
    if not times:
        return None
    at = min(times)
    if state.phase is not IncidentPhase.CLOSED and state.snoozed_until is not None:
        at = max(at, state.snoozed_until)
    return end_of_quiet_hours(state.incident.severity, at, model)


def is_still_relevant(state: IncidentState, kind: MessageKind) -> bool:
    """Whether a message that was not sent yet still describes the incident."""
    match kind:
        case "recovery":
            return state.phase is IncidentPhase.CLOSED
        case "alarm" | "change":
            return state.phase is not IncidentPhase.CLOSED and not state.all_acknowledged
        case "reminder" | "watchdog" | "digest" | "hand-over":
            return state.phase is not IncidentPhase.CLOSED
        case _:
            assert_never(kind)


def _route(state: IncidentState, context: DutyContext) -> IncidentState:
    """Return the first phase of an open incident of which nobody was notified."""
    route = match_route(state, context.model)
    if state.all_acknowledged:
        due = after_pause(context, policy_of(state, context.model).remind)
        return replace(state, phase=IncidentPhase.ACKNOWLEDGED, due=due)
    if route is None:
        return replace(state, phase=IncidentPhase.UNROUTED, due=None)
    return replace(state, phase=IncidentPhase.ESCALATING, due=context.now + route.policy.group_wait)


# -- the incident ---------------------------------------------------------------------------------------


def _on_incident(state: IncidentState, incident: IncidentEvent, context: DutyContext) -> StepResult:
    if not incident.open:
        return _close(replace(state, incident=incident), context), ()
    unreported = unreported_alarms(state)
    state = replace(state, incident=incident)
    if not set(unreported_alarms(state)) <= set(unreported):
        state = replace(state, up_to_date=())
    if state.phase is IncidentPhase.CLOSED:
        state = _reopen(state, context)
    if state.snoozed_until is not None and incident.severity > state.snoozed_severity:
        state = replace(state, snoozed_until=None)
    if not state.all_acknowledged:
        return _schedule_notification(state, context), ()
    if state.phase is IncidentPhase.ACKNOWLEDGED:
        return state, ()
    due = after_pause(context, policy_of(state, context.model).remind)
    state = replace(state, phase=IncidentPhase.ACKNOWLEDGED, due=due, change_due=None)
    return replace(state, pending_messages=(), up_to_date=()), ()


def _close(state: IncidentState, context: DutyContext) -> IncidentState:
    if state.phase is IncidentPhase.CLOSED:
        return state
    # The first recovery is sent at once. An incident that returned before must stay closed for a while.
    policy = policy_of(state, context.model)
    pause = policy.group_interval if state.returns else policy.group_wait
    return replace(
        state,
        phase=IncidentPhase.CLOSED,
        resume=(state.phase, state.due),
        due=context.now + pause if state.notified or state.pending_messages else None,
        change_due=None,
        up_to_date=(),
    )


def _reopen(state: IncidentState, context: DutyContext) -> IncidentState:
    """Resume the phase before if no recovery was sent; otherwise begin a new escalation.

    The phase keeps its due time: an alarm that comes and goes must not postpone messages. If the incident was
    closed while a step was being sent, its waiting messages were withdrawn, so the next step is due soon.
    """
    state = replace(state, returns=state.returns + 1, recovery_repeats=0)
    if state.resume is None:
        # Recipients whose recovery may not have arrived remain among the notified ones.
        state = replace(state, notified_severity=Severity.CLEARED)
        return _begin_escalation(state, context, urgent=True)
    phase, due = state.resume
    if due is not None and state.pending_messages and not state.step_reached:
        due = min(due, context.now + policy_of(state, context.model).group_wait)
    return replace(state, phase=phase, due=due, resume=None, pending_messages=())


def _schedule_notification(state: IncidentState, context: DutyContext) -> IncidentState:
    """Schedule the notification of new or worse alarms as soon as it is allowed."""
    is_worse = state.incident.severity > state.notified_severity
    match state.phase:
        case IncidentPhase.UNROUTED:
            return _route(state, context)
        case IncidentPhase.ACKNOWLEDGED:
            return _begin_escalation(state, context, urgent=is_worse)
        case IncidentPhase.ESCALATING | IncidentPhase.UNANSWERED if state.last_notified is not None:
            is_beginning = state.phase is IncidentPhase.ESCALATING and state.round == state.step == 0
            if is_worse and is_beginning:
                # An incident that gets worse again and again must not postpone the escalation.
                soon = context.now + policy_of(state, context.model).group_wait
                return replace(state, due=min(soon, state.due) if state.due is not None else soon)
            if is_worse:
                return _begin_escalation(state, context, urgent=True)
            if state.notified and unreported_alarms(state) and state.change_due is None:
                return replace(state, change_due=change_due_time(state, context))
    return state


def _begin_escalation(state: IncidentState, context: DutyContext, *, urgent: bool) -> IncidentState:
    """Begin a new escalation; an urgent one waits only for alarms that belong together."""
    is_first = state.last_notified is None
    state = replace(state, change_notices=0)
    soon = context.now + policy_of(state, context.model).group_wait
    return replace(
        state,
        phase=IncidentPhase.ESCALATING,
        due=soon if is_first or urgent else change_due_time(state, context),
        escalation=state.escalation + (0 if is_first else 1),
        kind="alarm" if is_first else "change",
        round=0,
        step=0,
        asked=(),
        pending_messages=(),
        step_reached=False,
        reached=False,
        change_due=None,
        up_to_date=(),
    )


# -- commands of people ---------------------------------------------------------------------------------


def _on_command(state: IncidentState, command: DutyCommand, context: DutyContext) -> StepResult:
    match command.action:
        case "snooze":
            until = command.until if command.until is not None else context.now
            return replace(state, snoozed_until=until, snoozed_severity=state.incident.severity), ()
        case "comment":
            comment = IncidentComment(command.actor, command.time, command.text)
            return replace(state, comments=(*state.comments, comment)[-COMMENTS_MAX:]), ()
        case "assign":
            state = replace(state, assignee=command.text)
            route = match_route(state, context.model)
            is_closed = state.phase is IncidentPhase.CLOSED
            if route is None or is_closed or command.text in ("", command.actor):
                return state, ()
            to = contact_recipients(command.text, route, context.model.duty)
            return notify_recipients(state, to, "reminder", context)
        case _:
            assert_never(command.action)


# -- outcomes of messages -------------------------------------------------------------------------------


def _on_outcome(state: IncidentState, outcome: MessageOutcome, context: DutyContext) -> IncidentState:
    request = outcome.request
    is_of_step = request.notification in state.pending_messages
    pending = tuple(id for id in state.pending_messages if id != request.notification)
    state = replace(state, pending_messages=pending)
    if request.kind == "recovery" and outcome.result == "doubtful":
        return _repeat_recovery(state, request.contact, request.channel, context)
    if outcome.result != "given-up" and request.kind != "recovery":
        recipient = Recipient(request.contact, request.channel)
        if recipient not in state.notified:
            state = replace(state, notified=(*state.notified, recipient))
            if state.phase is IncidentPhase.CLOSED and state.due is None:
                state = replace(state, due=context.now)  # the message arrived after the incident was over
    if outcome.result == "sent":
        return replace(state, reached=True, step_reached=state.step_reached or is_of_step)
    is_escalating = state.phase is IncidentPhase.ESCALATING
    if not is_of_step or state.pending_messages or state.step_reached or not is_escalating:
        return state
    # The step certainly reached nobody, so the next one is due now. A new round still waits its time: no
    # rounds follow each other without a pause while all channels fail.
    has_next = state.step < len(policy_of(state, context.model).steps)
    return replace(state, due=context.now) if has_next else state


def _repeat_recovery(state: IncidentState, contact: str, channel: str, context: DutyContext) -> IncidentState:
    """Schedule the recovery once more, as another message: it is better sent twice than never."""
    recipient = Recipient(contact, channel)
    if recipient not in state.notified:
        state = replace(state, notified=(*state.notified, recipient))
    if state.phase is not IncidentPhase.CLOSED or state.due is not None:
        return state
    if state.recovery_repeats >= RECOVERY_REPEATS_MAX:
        return replace(state, notified=())
    due = context.now + policy_of(state, context.model).group_wait
    return replace(state, due=due, recovery_repeats=state.recovery_repeats + 1)


# -- time -----------------------------------------------------------------------------------------------


def _on_tick(state: IncidentState, context: DutyContext) -> StepResult:
    route = match_route(state, context.model)
    if route is not None and state.phase is IncidentPhase.UNROUTED:
        return _route(state, context), ()
    at = next_due(state, context.model)
    if at is None or at > context.now:
        return state, ()
    if state.phase is IncidentPhase.CLOSED:
        return notify_recovery(state, context)
    if route is None:
        return replace(state, phase=IncidentPhase.UNROUTED, due=None, change_due=None), ()
    if state.due is None or state.due > context.now:
        return notify_change(state, context)
    notify = notify_step if state.phase is IncidentPhase.ESCALATING else notify_reminder
    return notify(state, route, context)
