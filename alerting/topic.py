"""What a message is about: the alarms in it, and what it says that the message before did not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from alerting.incidents.incident_state import IncidentState, MessageKind
from twin.alarms.messages import IncidentMember
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState

TitlePrefix: TypeAlias = Literal["", "new", "worse", "again", "reminder", "repeated"]
"""What the title says before the name; empty: the name alone. The names of `alerting.messages.phrases`."""


class MessageSubject(NamedTuple):
    """What a message is about."""

    case: IncidentState
    kind: MessageKind
    turn: TitlePrefix
    news: tuple[
        IncidentMember, ...
    ]  #: what was not said before, the worst first; empty: nothing, or all of it
    rest: tuple[IncidentMember, ...]  #: what else stands, the worst first
    was: Severity  #: of `worse`: how bad it was said to be

    @property
    def members(self) -> tuple[IncidentMember, ...]:
        """All alarms of the message in its order."""
        return (*self.news, *self.rest)

    @property
    def titled(self) -> tuple[IncidentMember, ...]:
        """The alarms that its title is about."""
        return self.news if self.news and self.turn else _ordered(self.members)


def message_subject(kind: MessageKind, case: IncidentState, before: IncidentState) -> MessageSubject:
    """Return what a message about a case is about; `before` is the case before it was decided on."""
    if kind == "recovery":
        members = _ordered(case.incident.members)
        return MessageSubject(case, kind, "repeated" if before.repeats else "", (), members, before.severity)
    turn, fresh = _title_prefix(kind, case, before)
    news = _ordered(one for one in case.open_members if one.alarm in fresh)
    rest = _ordered(one for one in case.open_members if one.alarm not in fresh)
    if not rest:
        news, rest = (), news
    return MessageSubject(case, kind, turn, news, rest, before.severity)


def _title_prefix(
    kind: MessageKind, case: IncidentState, before: IncidentState
) -> tuple[TitlePrefix, set[str]]:
    """Return what the title says first, and the alarms that are new, worse, or speak again."""
    was = before.severity
    unknown = {one.alarm for one in case.open_members if one.alarm not in before.known}
    if kind != "change":
        # A step may be told to somebody to whom all of it is new: the title is about the worst.
        return "reminder" if kind == "reminder" else "", unknown if before.known else set()
    if was is Severity.CLEARED:
        return "again", set()
    if case.incident.severity > was:
        return "worse", {one.alarm for one in case.open_members if one.severity > was} | unknown
    if unknown:
        return "new", unknown
    if before.round == before.step == 0:
        unanswered = {one.alarm for one in case.open_members if one.state == AlarmState.UNACKNOWLEDGED}
        return "again", unanswered
    return "", set()


def _ordered(members: Iterable[IncidentMember]) -> tuple[IncidentMember, ...]:
    """Return the worst first, and of those the one that began first."""
    return tuple(sorted(members, key=lambda one: (-one.severity, one.time, one.alarm)))
