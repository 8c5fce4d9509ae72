"""The state of an incident in the duty loop: whom it was notified to, and what comes next."""

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
"""The newest comments, which messages contain."""

DUTY_COMMANDS_MAX = 64
"""The newest commands of each incident, kept so that a second delivery of one has no effect."""

RECOVERY_REPEATS_MAX = 3
"""How often a recovery is repeated that may not have arrived: a message that kills the process must end."""

MessageKind: TypeAlias = Literal["alarm", "change", "reminder", "recovery", "watchdog", "digest", "hand-over"]


class IncidentPhase(StrEnum):
    """The phase of an incident in the duty loop."""

    UNROUTED = "unrouted"  #: no route matches: nobody is notified
    ESCALATING = "escalating"  #: one step after the other, until somebody acknowledges
    UNANSWERED = "unanswered"  #: all rounds are over: reminders
    ACKNOWLEDGED = "acknowledged"  #: somebody has acknowledged: reminders
    CLOSED = "closed"  #: the notified recipients get a recovery


class Recipient(NamedTuple):
    """A contact that is reached over a channel."""

    contact: str
    channel: str


class IncidentComment(NamedTuple):
    """A comment of an operator."""

    actor: str
    time: Instant
    text: str


_STORED_NAMES = {
    "notified_severity": "severity",
    "pending_messages": "waiting",
    "reported_alarms": "known",
    "change_notices": "changes",
    "notices": "tellings",
    "last_notified": "last_told",
    "notified": "told",
    "up_to_date": "abreast",
    "recovery_repeats": "repeats",
    "comments": "remarks",
}
"""The names of fields in the journal, where they differ."""


class IncidentState(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_NAMES):
    """Everything that the duty loop stores of an incident. `next_state` returns the next one."""

    incident: IncidentEvent
    phase: IncidentPhase
    due: Instant | None  #: when the phase continues
    # The escalation. A new one begins when an acknowledged incident has new or worse alarms.
    escalation: int = 1  #: its number
    kind: MessageKind = "alarm"  #: of its messages
    notified_severity: Severity = Severity.CLEARED  #: the worst one in messages so far; routes use it
    round: int = 0
    step: int = 0  #: the next one
    asked: tuple[str, ...] = ()  #: contacts whom the steps of this round have notified, in order
    pending_messages: tuple[str, ...] = ()  #: of the last step, without an outcome
    step_reached: bool = False  #: whether that step has reached somebody
    reached: bool = False  #: whether the escalation has reached somebody
    # Changes for recipients that were notified before.
    reported_alarms: tuple[str, ...] = ()  #: alarms that messages have contained
    change_due: Instant | None = None
    change_notices: int = 0  #: in this escalation; the pause between two of them doubles
    notices: int = 0  #: number of changes, reminders and recoveries, which is part of their ids
    last_notified: Instant | None = None
    notified: tuple[Recipient, ...] = ()  #: since the incident was last closed
    up_to_date: tuple[Recipient, ...] = ()  #: those of them that need no message at `change_due`
    recovery_repeats: int = 0  #: how often a recovery was repeated that may not have arrived
    # Commands of people.
    snoozed_until: Instant | None = None
    snoozed_severity: Severity = Severity.CLEARED  #: a worse severity ends the snooze
    assignee: str = ""
    comments: tuple[IncidentComment, ...] = ()
    commands: tuple[str, ...] = ()  #: ids
    resume: tuple[IncidentPhase, Instant | None] | None = None  #: phase and due time before it was closed
    returns: int = 0  #: how often it was opened again

    @property
    def id(self) -> str:
        """The incident's id."""
        return self.incident.incident

    @property
    def open_members(self) -> tuple[IncidentMember, ...]:
        """The alarms that keep it open."""
        return tuple(member for member in self.incident.members if keeps_open(member))

    @property
    def all_acknowledged(self) -> bool:
        """Whether somebody has acknowledged all of its open alarms."""
        return all(member.state == AlarmState.ACKNOWLEDGED for member in self.open_members)


class NotificationRequest(NamedTuple):
    """The decision to send a message to a contact over a channel. Stored in the journal as an array."""

    notification: str
    incident: str
    kind: MessageKind
    round: int
    step: int
    contact: str
    channel: str
    due_time: Instant


class UnreachableStep(NamedTuple):
    """The decision that a step has nobody to notify."""

    incident: str
    step: int
    reason: str


EscalationDecision: TypeAlias = NotificationRequest | UnreachableStep


class MessageOutcome(NamedTuple):
    """The outcome of a message."""

    request: NotificationRequest
    #: `sent`; `given-up`; `doubtful`: it may have arrived, since the attempt did not end
    result: Literal["sent", "given-up", "doubtful"]


class Tick(NamedTuple):
    """Time has passed, or the plan has changed."""


TICK = Tick()

IncidentInput: TypeAlias = IncidentEvent | DutyCommand | MessageOutcome | Tick
"""An input of the escalation of one incident."""


def notification_id(state: IncidentState, step: int, recipient: Recipient, tag: str = "") -> str:
    """Return the id of a message; it does not depend on when or by which process it is computed.

    `incident~round~step~contact~channel`, and a tag for messages that are not of the first escalation of the
    incident: kind and number.
    """
    parts = (state.id, str(state.round), str(step), recipient.contact, recipient.channel)
    return "~".join((*parts, tag) if tag else parts)
