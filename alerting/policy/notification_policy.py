"""Telling people: which messages a step, a reminder, a recovery or a change makes of a case. Pure."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from alerting.incidents.incident_state import (
    Case,
    Decision,
    Kind,
    Phase,
    Send,
    Told,
    Unreachable,
    notification_id,
)
from alerting.policy.routing import Way, recipients, way_of
from twin.instant import HOUR, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.duty import EscalationPolicy

UNKNOWN_POLICY = EscalationPolicy(id="", steps=())
"""By its times a case goes whose route is gone: it still has to tell that it is over."""


NEWS_PAUSE_MAX: Duration = HOUR
"""News of an incident that grows comes after `groupInterval`, then after ever twice as long, up to this."""


class Around(NamedTuple):
    """What a step is done by."""

    model: CityModel
    now: Instant


Done: TypeAlias = tuple[Case, tuple[Decision, ...]]


class _What(NamedTuple):
    kind: Kind
    step: int
    tag: str  #: `alerting.incidents.incident_state.notification_id`


def policy_of(case: Case, model: CityModel) -> EscalationPolicy:
    """Return the policy that a case goes by."""
    way = way_of(case, model)
    return way.policy if way is not None else UNKNOWN_POLICY


def later(around: Around, pause: Duration) -> Instant | None:
    """Return when a pause is over that begins now; None without one."""
    return around.now + pause if pause else None


def tell_step(case: Case, way: Way, around: Around) -> Done:
    """Tell the next step that has somebody to tell; without any, try again when the last one had waited."""
    decisions: list[Decision] = []
    for _ in way.policy.steps:
        if case.step >= len(way.policy.steps):
            case = replace(case, step=0, round=case.round + 1)
        if case.round > way.policy.repeat and case.reached:
            due = later(around, way.policy.remind)
            return replace(case, phase=Phase.UNANSWERED, due=due), tuple(decisions)
        number = case.step
        case = replace(case, step=number + 1, due=around.now + way.policy.steps[number].wait)
        to = recipients(case, way, number, around.model.duty, around.now)
        if to:
            tag = "" if case.escalation == 1 else f"{case.kind}-{case.escalation}"
            sends = _sends(case, to, _What(case.kind, number, tag), around)
            case = _told_apart(case, to, around)
            waiting = tuple(one.notification for one in sends)
            return replace(case, waiting=waiting, step_reached=False), (*decisions, *sends)
        reason = f"nobody to tell by step {number + 1} of policy {way.policy.id}"
        decisions.append(Unreachable(case.id, number, reason))
    return case, tuple(decisions)


def tell_reminder(case: Case, way: Way, around: Around) -> Done:
    """Remind the last step of an unanswered case, the first of an acknowledged one."""
    number = 0 if case.phase is Phase.ACKNOWLEDGED else len(way.policy.steps) - 1
    case = replace(case, due=later(around, way.policy.remind))
    to = recipients(case, way, number, around.model.duty, around.now)
    return tell_news(case, to, "reminder", around)


def tell_recovery(case: Case, around: Around) -> Done:
    """Tell those who were told that it is over."""
    case = replace(case, due=None, resume=None)
    done, decisions = tell_news(case, list(case.told), "recovery", around)
    return replace(done, told=()), decisions


def tell_change(case: Case, around: Around) -> Done:
    """Tell those who were told, and not by a step meanwhile, what is new; nothing when that is over again."""
    to = [one for one in case.told if one not in case.abreast] if news(case) else []
    done, decisions = tell_news(case, to, "change", around)
    return (replace(done, changes=case.changes + 1) if to else caught_up(case)), decisions


def tell_news(case: Case, to: list[Told], kind: Kind, around: Around) -> Done:
    """Tell somebody something beside the steps."""
    if not to:
        return case, ()
    number = max(0, case.step - 1)
    case = replace(case, tellings=case.tellings + 1)
    tag = f"{'news' if kind == 'change' else kind}-{case.tellings}"
    after = _told_apart(case, to, around) if kind == "reminder" else _spoken(case, around)
    return after, _sends(case, to, _What(kind, number, tag), around)


def news(case: Case) -> tuple[str, ...]:
    """Return the alarms that no message has spoken of."""
    return tuple(one.alarm for one in case.speaking if one.alarm not in case.known)


def news_due(case: Case, around: Around) -> Instant:
    """Return when news may be told: soon, but not too soon after the last message."""
    policy = policy_of(case, around.model)
    soonest = around.now + policy.group_wait
    if case.last_told is None:
        return soonest
    pause = policy.group_interval << case.changes
    return max(soonest, case.last_told + min(pause, max(policy.group_interval, NEWS_PAUSE_MAX)))


def caught_up(case: Case) -> Case:
    """Return a case that has nothing new for those who were told."""
    known = tuple(one.alarm for one in case.incident.members)
    return replace(case, known=known, change_due=None, abreast=())


def _told_apart(case: Case, to: list[Told], around: Around) -> Case:
    """Remember what a step or reminder has spoken of: whom it does not go to hears the news yet."""
    abreast = tuple(dict.fromkeys((*case.abreast, *to)))
    if case.change_due is None or set(case.told) <= set(abreast):
        return _spoken(case, around)
    severity = max(case.severity, case.incident.severity)
    return replace(case, last_told=around.now, severity=severity, abreast=abreast)


def _sends(case: Case, to: list[Told], what: _What, around: Around) -> tuple[Send, ...]:
    return tuple(
        Send(
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


def _spoken(case: Case, around: Around) -> Case:
    """Remember what a message has spoken of."""
    severity = max(case.severity, case.incident.severity)
    return replace(caught_up(case), last_told=around.now, severity=severity)
