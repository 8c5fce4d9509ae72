"""The duty loop itself: what happens makes the next case of a case, and decides who is told. Pure.

`next_state` is a function of the case, what happened, the city model with its duty plan, and the time. It
knows no clock and does nothing: the same case, happening and time give the same decisions.
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


def open_incident(incident: IncidentEvent, around: DutyContext) -> IncidentState | None:
    """Return the case of an incident that is heard of for the first time; None when it is over."""
    if not incident.open:
        return None
    case = IncidentState(incident=incident, phase=IncidentPhase.UNROUTED, due=None)
    return _route(case, around)


def next_state(case: IncidentState, happening: IncidentInput, around: DutyContext) -> StepResult:
    """Return what a case is after something happened, and what is to be done."""
    match happening:
        case IncidentEvent():
            if happening.revision <= case.incident.revision:
                return case, ()
            return _on_incident(case, happening, around)
        case DutyCommand():
            if happening.id in case.commands:
                return case, ()
            commands = (*case.commands, happening.id)[-DUTY_COMMANDS_MAX:]
            return _on_command(replace(case, commands=commands), happening, around)
        case MessageOutcome():
            return _on_outcome(case, happening, around), ()
        case Tick():
            return _on_tick(case, around)
        case _:
            assert_never(happening)


def next_due(case: IncidentState, model: CityModel) -> Instant | None:
    """Return when a tick does something; None when only something else than time does."""
    times = [one for one in (case.due, case.change_due) if one is not None]
    if not times:
        return None
    at, closed = min(times), case.phase is IncidentPhase.CLOSED
    if not closed and case.snoozed_until is not None:
        at = max(at, case.snoozed_until)
    return end_of_quiet_hours(case.incident.severity, at, model)


def is_still_relevant(case: IncidentState, kind: MessageKind) -> bool:
    """Whether a message that was not sent yet still says what is."""
    match kind:
        case "recovery":
            return case.phase is IncidentPhase.CLOSED
        case "alarm" | "change":
            return case.phase is not IncidentPhase.CLOSED and not case.all_acknowledged
        case "reminder" | "watchdog":
            return case.phase is not IncidentPhase.CLOSED
        case _:
            assert_never(kind)


def _route(case: IncidentState, around: DutyContext) -> IncidentState:
    """Put an open case that nobody was told of where it belongs."""
    way = match_route(case, around.model)
    if case.all_acknowledged:
        return replace(
            case,
            phase=IncidentPhase.ACKNOWLEDGED,
            due=after_pause(around, policy_of(case, around.model).remind),
        )
    if way is None:
        return replace(case, phase=IncidentPhase.UNROUTED, due=None)
    return replace(case, phase=IncidentPhase.ESCALATING, due=around.now + way.policy.group_wait)


# -- the incident ---------------------------------------------------------------------------------------


def _on_incident(case: IncidentState, incident: IncidentEvent, around: DutyContext) -> StepResult:
    if not incident.open:
        return _on_closed(replace(case, incident=incident), around)
    before, case = unreported_alarms(case), replace(case, incident=incident)
    if not set(unreported_alarms(case)) <= set(before):
        case = replace(case, abreast=())
    if case.phase is IncidentPhase.CLOSED:
        case = _reopen(case, around)
    if case.snoozed_until is not None and incident.severity > case.snoozed_severity:
        case = replace(case, snoozed_until=None)
    if case.all_acknowledged:
        if case.phase is IncidentPhase.ACKNOWLEDGED:
            return case, ()
        remind = policy_of(case, around.model).remind
        case = replace(
            case, phase=IncidentPhase.ACKNOWLEDGED, due=after_pause(around, remind), change_due=None
        )
        return replace(case, waiting=(), abreast=()), ()
    return _schedule_notification(case, around), ()


def _on_closed(case: IncidentState, around: DutyContext) -> StepResult:
    if case.phase is IncidentPhase.CLOSED:
        return case, ()
    # Over is told at once, the first time. What has come back before must stay over for a while.
    policy = policy_of(case, around.model)
    pause = policy.group_interval if case.returns else policy.group_wait
    due = around.now + pause if case.told or case.waiting else None
    resume = (case.phase, case.due)
    case = replace(
        case, phase=IncidentPhase.CLOSED, resume=resume, due=due, change_due=None, waiting=(), abreast=()
    )
    return case, ()


def _reopen(case: IncidentState, around: DutyContext) -> IncidentState:
    """Go on where it was when nobody has been told yet that it was over; else begin anew."""
    case = replace(case, returns=case.returns + 1, repeats=0)
    if case.due is None or case.resume is None:
        # Who may not have heard that it was over stays among those who were told.
        return _begin_escalation(replace(case, resume=None, severity=Severity.CLEARED), around, urgent=True)
    phase, due = case.resume
    soonest = around.now + policy_of(case, around.model).group_wait
    return replace(case, phase=phase, due=max(due, soonest) if due is not None else None, resume=None)


def _schedule_notification(case: IncidentState, around: DutyContext) -> IncidentState:
    """Tell what is new, as soon as it may be."""
    worse = case.incident.severity > case.severity
    match case.phase:
        case IncidentPhase.UNROUTED:
            return _route(case, around)
        case IncidentPhase.ACKNOWLEDGED:
            return _begin_escalation(case, around, urgent=worse)
        case IncidentPhase.ESCALATING | IncidentPhase.UNANSWERED if case.last_told is not None:
            if worse and case.phase is IncidentPhase.ESCALATING and case.round == case.step == 0:
                # An escalation that is about to begin: what goes on getting worse must not put it off.
                soon = around.now + policy_of(case, around.model).group_wait
                return replace(case, due=min(soon, case.due) if case.due is not None else soon)
            if worse:
                return _begin_escalation(case, around, urgent=True)
            if case.told and unreported_alarms(case) and case.change_due is None:
                return replace(case, change_due=change_due_time(case, around))
    return case


def _begin_escalation(case: IncidentState, around: DutyContext, *, urgent: bool) -> IncidentState:
    """Begin a new escalation; what is urgent waits for what comes with it, and for nothing else."""
    first = case.last_told is None
    case = replace(case, changes=0)
    soon = around.now + policy_of(case, around.model).group_wait
    return replace(
        case,
        phase=IncidentPhase.ESCALATING,
        due=soon if first or urgent else change_due_time(case, around),
        escalation=case.escalation + (0 if first else 1),
        kind="alarm" if first else "change",
        round=0,
        step=0,
        waiting=(),
        step_reached=False,
        reached=False,
        change_due=None,
        abreast=(),
    )


# -- people ---------------------------------------------------------------------------------------------


def _on_command(case: IncidentState, command: DutyCommand, around: DutyContext) -> StepResult:
    match command.action:
        case "snooze":
            until = command.until if command.until is not None else around.now
            return replace(case, snoozed_until=until, snoozed_severity=case.incident.severity), ()
        case "comment":
            remark = IncidentComment(command.actor, command.time, command.text)
            return replace(case, remarks=(*case.remarks, remark)[-COMMENTS_MAX:]), ()
        case "assign":
            case = replace(case, assignee=command.text)
            way = match_route(case, around.model)
            if way is None or case.phase is IncidentPhase.CLOSED or command.text in ("", command.actor):
                return case, ()
            return notify_recipients(
                case, contact_recipients(command.text, way, around.model.duty), "reminder", around
            )
        case _:
            assert_never(command.action)


# -- messages -------------------------------------------------------------------------------------------


def _on_outcome(case: IncidentState, outcome: MessageOutcome, around: DutyContext) -> IncidentState:
    mine = outcome.notification in case.waiting
    case = replace(case, waiting=tuple(one for one in case.waiting if one != outcome.notification))
    if outcome.kind == "recovery" and outcome.result == "doubtful":
        return _repeat_recovery(case, outcome, around)
    if outcome.result != "given-up" and outcome.kind != "recovery":
        told = Recipient(outcome.contact, outcome.channel)
        if told not in case.told:
            case = replace(case, told=(*case.told, told))
            if case.phase is IncidentPhase.CLOSED and case.due is None:
                case = replace(case, due=around.now)  # it got there after it was over
    if outcome.result == "sent":
        return replace(case, reached=True, step_reached=case.step_reached or mine)
    if not mine or case.waiting or case.step_reached or case.phase is not IncidentPhase.ESCALATING:
        return case
    # The step reached nobody for certain: the next one is due now. A round that did not waits its time, so
    # that nothing goes round and round while all ways are down.
    more = case.step < len(policy_of(case, around.model).steps)
    return replace(case, due=around.now) if more else case


def _repeat_recovery(case: IncidentState, outcome: MessageOutcome, around: DutyContext) -> IncidentState:
    """Have somebody told again, as another message, that it is over: better twice than never."""
    told = Recipient(outcome.contact, outcome.channel)
    if told not in case.told:
        case = replace(case, told=(*case.told, told))
    if case.phase is not IncidentPhase.CLOSED or case.due is not None:
        return case
    if case.repeats >= RECOVERY_REPEATS_MAX:
        return replace(case, told=())
    due = around.now + policy_of(case, around.model).group_wait
    return replace(case, due=due, repeats=case.repeats + 1)


# -- time -----------------------------------------------------------------------------------------------


def _on_tick(case: IncidentState, around: DutyContext) -> StepResult:
    way = match_route(case, around.model)
    if way is not None and case.phase is IncidentPhase.UNROUTED:
        return _route(case, around), ()
    at = next_due(case, around.model)
    if at is None or at > around.now:
        return case, ()
    if case.phase is IncidentPhase.CLOSED:
        return notify_recovery(case, around)
    if way is None:
        return replace(case, phase=IncidentPhase.UNROUTED, due=None, change_due=None), ()
    if case.due is None or case.due > around.now:
        return notify_change(case, around)
    tell = notify_step if case.phase is IncidentPhase.ESCALATING else notify_reminder
    return tell(case, way, around)
