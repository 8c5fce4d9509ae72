"""The duty loop itself: what happens makes the next case of a case, and decides who is told. Pure.

`step` is a function of the case, what happened, the city model with its duty plan, and the time. It knows no
clock and does nothing: the same case, happening and time give the same decisions.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from alerting.incidents.incident_state import (
    COMMANDS_MAX,
    COMMENTS_MAX,
    REPEATS_MAX,
    Case,
    Happening,
    Kind,
    Outcome,
    Phase,
    Remark,
    Tick,
    Told,
)
from alerting.policy.notification_policy import (
    Around,
    Done,
    later,
    news,
    news_due,
    policy_of,
    tell_change,
    tell_news,
    tell_recovery,
    tell_reminder,
    tell_step,
)
from alerting.policy.routing import quiet_until, reaching, way_of
from twin.alarms.messages import IncidentEvent
from twin.alarms.severity import Severity
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.duty import DutyCommand


def begun(incident: IncidentEvent, around: Around) -> Case | None:
    """Return the case of an incident that is heard of for the first time; None when it is over."""
    if not incident.open:
        return None
    case = Case(incident=incident, phase=Phase.UNROUTED, due=None)
    return _placed(case, around)


def step(case: Case, happening: Happening, around: Around) -> Done:
    """Return what a case is after something happened, and what is to be done."""
    match happening:
        case IncidentEvent():
            if happening.revision <= case.incident.revision:
                return case, ()
            return _heard(case, happening, around)
        case DutyCommand():
            if happening.id in case.commands:
                return case, ()
            commands = (*case.commands, happening.id)[-COMMANDS_MAX:]
            return _commanded(replace(case, commands=commands), happening, around)
        case Outcome():
            return _ended(case, happening, around), ()
        case Tick():
            return _passed(case, around)
        case _:
            assert_never(happening)


def due_at(case: Case, model: CityModel) -> Instant | None:
    """Return when a tick does something; None when only something else than time does."""
    times = [one for one in (case.due, case.change_due) if one is not None]
    if not times:
        return None
    at, closed = min(times), case.phase is Phase.CLOSED
    if not closed and case.snoozed_until is not None:
        at = max(at, case.snoozed_until)
    return quiet_until(case.incident.severity, at, model)


def is_wanted(case: Case, kind: Kind) -> bool:
    """Whether a message that was not sent yet still says what is."""
    match kind:
        case "recovery":
            return case.phase is Phase.CLOSED
        case "alarm" | "change":
            return case.phase is not Phase.CLOSED and not case.answered
        case "reminder" | "watchdog":
            return case.phase is not Phase.CLOSED
        case _:
            assert_never(kind)


def _placed(case: Case, around: Around) -> Case:
    """Put an open case that nobody was told of where it belongs."""
    way = way_of(case, around.model)
    if case.answered:
        return replace(
            case, phase=Phase.ACKNOWLEDGED, due=later(around, policy_of(case, around.model).remind)
        )
    if way is None:
        return replace(case, phase=Phase.UNROUTED, due=None)
    return replace(case, phase=Phase.ESCALATING, due=around.now + way.policy.group_wait)


# -- the incident ---------------------------------------------------------------------------------------


def _heard(case: Case, incident: IncidentEvent, around: Around) -> Done:
    if not incident.open:
        return _closed(replace(case, incident=incident), around)
    before, case = news(case), replace(case, incident=incident)
    if not set(news(case)) <= set(before):
        case = replace(case, abreast=())
    if case.phase is Phase.CLOSED:
        case = _reopened(case, around)
    if case.snoozed_until is not None and incident.severity > case.snoozed_severity:
        case = replace(case, snoozed_until=None)
    if case.answered:
        if case.phase is Phase.ACKNOWLEDGED:
            return case, ()
        remind = policy_of(case, around.model).remind
        case = replace(case, phase=Phase.ACKNOWLEDGED, due=later(around, remind), change_due=None)
        return replace(case, waiting=(), abreast=()), ()
    return _unanswered(case, around), ()


def _closed(case: Case, around: Around) -> Done:
    if case.phase is Phase.CLOSED:
        return case, ()
    # Over is told at once, the first time. What has come back before must stay over for a while.
    policy = policy_of(case, around.model)
    pause = policy.group_interval if case.returns else policy.group_wait
    due = around.now + pause if case.told or case.waiting else None
    resume = (case.phase, case.due)
    case = replace(case, phase=Phase.CLOSED, resume=resume, due=due, change_due=None, waiting=(), abreast=())
    return case, ()


def _reopened(case: Case, around: Around) -> Case:
    """Go on where it was when nobody has been told yet that it was over; else begin anew."""
    case = replace(case, returns=case.returns + 1, repeats=0)
    if case.due is None or case.resume is None:
        # Who may not have heard that it was over stays among those who were told.
        return _begin(replace(case, resume=None, severity=Severity.CLEARED), around, urgent=True)
    phase, due = case.resume
    soonest = around.now + policy_of(case, around.model).group_wait
    return replace(case, phase=phase, due=max(due, soonest) if due is not None else None, resume=None)


def _unanswered(case: Case, around: Around) -> Case:
    """Tell what is new, as soon as it may be."""
    worse = case.incident.severity > case.severity
    match case.phase:
        case Phase.UNROUTED:
            return _placed(case, around)
        case Phase.ACKNOWLEDGED:
            return _begin(case, around, urgent=worse)
        case Phase.ESCALATING | Phase.UNANSWERED if case.last_told is not None:
            if worse and case.phase is Phase.ESCALATING and case.round == case.step == 0:
                # An escalation that is about to begin: what goes on getting worse must not put it off.
                soon = around.now + policy_of(case, around.model).group_wait
                return replace(case, due=min(soon, case.due) if case.due is not None else soon)
            if worse:
                return _begin(case, around, urgent=True)
            if case.told and news(case) and case.change_due is None:
                return replace(case, change_due=news_due(case, around))
    return case


def _begin(case: Case, around: Around, *, urgent: bool) -> Case:
    """Begin a new escalation; what is urgent waits for what comes with it, and for nothing else."""
    first = case.last_told is None
    case = replace(case, changes=0)
    soon = around.now + policy_of(case, around.model).group_wait
    return replace(
        case,
        phase=Phase.ESCALATING,
        due=soon if first or urgent else news_due(case, around),
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


def _commanded(case: Case, command: DutyCommand, around: Around) -> Done:
    match command.action:
        case "snooze":
            until = command.until if command.until is not None else around.now
            return replace(case, snoozed_until=until, snoozed_severity=case.incident.severity), ()
        case "comment":
            remark = Remark(command.actor, command.time, command.text)
            return replace(case, remarks=(*case.remarks, remark)[-COMMENTS_MAX:]), ()
        case "assign":
            case = replace(case, assignee=command.text)
            way = way_of(case, around.model)
            if way is None or case.phase is Phase.CLOSED or command.text in ("", command.actor):
                return case, ()
            return tell_news(case, reaching(command.text, way, around.model.duty), "reminder", around)
        case _:
            assert_never(command.action)


# -- messages -------------------------------------------------------------------------------------------


def _ended(case: Case, outcome: Outcome, around: Around) -> Case:
    mine = outcome.notification in case.waiting
    case = replace(case, waiting=tuple(one for one in case.waiting if one != outcome.notification))
    if outcome.kind == "recovery" and outcome.result == "doubtful":
        return _told_again(case, outcome, around)
    if outcome.result != "given-up" and outcome.kind != "recovery":
        told = Told(outcome.contact, outcome.channel)
        if told not in case.told:
            case = replace(case, told=(*case.told, told))
            if case.phase is Phase.CLOSED and case.due is None:
                case = replace(case, due=around.now)  # it got there after it was over
    if outcome.result == "sent":
        return replace(case, reached=True, step_reached=case.step_reached or mine)
    if not mine or case.waiting or case.step_reached or case.phase is not Phase.ESCALATING:
        return case
    # The step reached nobody for certain: the next one is due now. A round that did not waits its time, so
    # that nothing goes round and round while all ways are down.
    more = case.step < len(policy_of(case, around.model).steps)
    return replace(case, due=around.now) if more else case


def _told_again(case: Case, outcome: Outcome, around: Around) -> Case:
    """Have somebody told again, as another message, that it is over: better twice than never."""
    told = Told(outcome.contact, outcome.channel)
    if told not in case.told:
        case = replace(case, told=(*case.told, told))
    if case.phase is not Phase.CLOSED or case.due is not None:
        return case
    if case.repeats >= REPEATS_MAX:
        return replace(case, told=())
    due = around.now + policy_of(case, around.model).group_wait
    return replace(case, due=due, repeats=case.repeats + 1)


# -- time -----------------------------------------------------------------------------------------------


def _passed(case: Case, around: Around) -> Done:
    way = way_of(case, around.model)
    if way is not None and case.phase is Phase.UNROUTED:
        return _placed(case, around), ()
    at = due_at(case, around.model)
    if at is None or at > around.now:
        return case, ()
    if case.phase is Phase.CLOSED:
        return tell_recovery(case, around)
    if way is None:
        return replace(case, phase=Phase.UNROUTED, due=None, change_due=None), ()
    if case.due is None or case.due > around.now:
        return tell_change(case, around)
    tell = tell_step if case.phase is Phase.ESCALATING else tell_reminder
    return tell(case, way, around)
