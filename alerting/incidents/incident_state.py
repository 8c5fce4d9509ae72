"""A case: an incident as the duty loop knows it, whom it has told of it, and what it does next."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from twin.alarms.incident import keeps_open
from twin.alarms.messages import IncidentEvent, IncidentMember
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import Instant
from twin.wire.duty_messages import DutyCommand

COMMENTS_MAX = 5
"""The newest comments, which messages carry."""

DUTY_COMMANDS_MAX = 64
"""So many commands are remembered for each case: a second delivery of one does nothing."""

RECOVERY_REPEATS_MAX = 3
"""So often a recovery that may not have got there is told again: what kills the process comes to an end."""

MessageKind: TypeAlias = Literal["alarm", "change", "reminder", "recovery", "watchdog"]


class IncidentPhase(StrEnum):
    """Where a case is."""

    UNROUTED = "unrouted"  #: no route fits: nobody is told
    ESCALATING = "escalating"  #: one step after the other, until somebody acknowledges
    UNANSWERED = "unanswered"  #: all rounds are over: reminders
    ACKNOWLEDGED = "acknowledged"  #: somebody knows: reminders
    CLOSED = "closed"  #: those who were told are told that it is over


class Recipient(NamedTuple):
    """Somebody was, or may have been, told over a channel."""

    contact: str
    channel: str


class IncidentComment(NamedTuple):
    """What somebody wrote."""

    actor: str
    time: Instant
    text: str


class IncidentState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the loop remembers of an incident. `step` makes the next one of it."""

    incident: IncidentEvent
    phase: IncidentPhase
    due: Instant | None  #: when the phase goes on
    # The escalation, of which there is a new one when what was acknowledged is not any more.
    escalation: int = 1  #: counts them
    kind: MessageKind = "alarm"  #: of its messages
    severity: Severity = Severity.CLEARED  #: the worst that it was told for; routes go by it
    round: int = 0
    step: int = 0  #: the next one
    waiting: tuple[str, ...] = ()  #: messages of the step before that have no outcome yet
    step_reached: bool = False  #: whether that step has reached somebody
    reached: bool = False  #: whether the escalation has
    # What is new, for those who were told.
    known: tuple[str, ...] = ()  #: alarms that messages have spoken of
    change_due: Instant | None = None
    changes: int = 0  #: told in this escalation; they come ever more rarely
    tellings: int = 0  #: changes, reminders and recoveries: each has a number
    last_told: Instant | None = None
    told: tuple[Recipient, ...] = ()  #: since the incident was last over
    abreast: tuple[Recipient, ...] = ()  #: those of them who know already what a change is due for
    repeats: int = 0  #: how often a recovery that may not have got there was told again
    # What people want.
    snoozed_until: Instant | None = None
    snoozed_severity: Severity = Severity.CLEARED  #: what is worse than that is told all the same
    assignee: str = ""
    remarks: tuple[IncidentComment, ...] = ()
    commands: tuple[str, ...] = ()
    resume: tuple[IncidentPhase, Instant | None] | None = None  #: of a closed one: where it was
    returns: int = 0  #: how often it came back after it was over

    @property
    def id(self) -> str:
        """The incident's id."""
        return self.incident.incident

    @property
    def open_members(self) -> tuple[IncidentMember, ...]:
        """The alarms that keep it open."""
        return tuple(one for one in self.incident.members if keeps_open(one))

    @property
    def all_acknowledged(self) -> bool:
        """Whether somebody has acknowledged all of its active alarms."""
        return all(one.state == AlarmState.ACKNOWLEDGED for one in self.open_members)


class NotificationRequest(NamedTuple):
    """A contact is to be told over a channel."""

    notification: str
    incident: str
    kind: MessageKind
    round: int
    step: int
    contact: str
    channel: str
    due_time: Instant


class UnreachableStep(NamedTuple):
    """A step has nobody to tell."""

    incident: str
    step: int
    reason: str


EscalationDecision: TypeAlias = NotificationRequest | UnreachableStep


class MessageOutcome(NamedTuple):
    """How it ended with a message."""

    notification: str
    kind: MessageKind
    contact: str
    channel: str
    #: `sent`; `given-up`; `doubtful`: the process died while it was handed over
    result: Literal["sent", "given-up", "doubtful"]


class Tick(NamedTuple):
    """Time has passed, or the plan is another."""


TICK = Tick()

IncidentInput: TypeAlias = IncidentEvent | DutyCommand | MessageOutcome | Tick


def notification_id(case: IncidentState, step: int, to: Recipient, tag: str = "") -> str:
    """Return the id of a message: the same message has the same id, whoever computes it when.

    `incident~round~step~contact~channel`, and behind it what tells apart those that are not of the first
    escalation of the incident: kind and number.
    """
    return "~".join((case.id, str(case.round), str(step), to.contact, to.channel, *([tag] if tag else [])))
