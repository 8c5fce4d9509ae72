"""The log records of the duty loop: commands of people, and the progress of each notification."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from twin.instant import Instant
from twin.wire.codec import Codec


class DutyCommand(NamedTuple):
    """A person's command about one incident."""

    id: str
    incident: str
    action: Literal["snooze", "assign", "comment"]
    actor: str
    time: Instant
    until: Instant | None = None  #: of snooze: no notifications before this time
    text: str = ""  #: of assign: the contact's id


class DutyCommandBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `duty-commands`."""

    version: int
    commands: tuple[DutyCommand, ...]


class NotificationEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `notifications`: the state of one message to one contact over one channel."""

    version: int
    #: `incident~round~step~contact~channel`, then a suffix for other kinds; a repeat has the same id
    notification: str
    revision: int  #: rises with each attempt
    incident: str  #: empty in a digest and a hand-over
    kind: Literal["alarm", "change", "reminder", "recovery", "watchdog", "digest", "hand-over"]
    round: int  #: how many times all steps were completed before, from 0
    step: int  #: from 0
    contact: str
    channel: str
    outcome: Literal["sending", "sent", "failed", "given-up", "withdrawn"]
    attempt: int  #: from 1
    time: Instant
    due_time: Instant  #: when the duty loop decided to send it
    title: str
    detail: str  #: why it failed, without secrets
    digest: str = ""  #: the notification that contained the message in this attempt; empty: it was sent alone
    answerable: str = ""  #: digests of the occurrences that a reply acknowledges (base64); mostly none


DUTY_COMMANDS: Codec[DutyCommandBatch] = Codec(DutyCommandBatch)
NOTIFICATIONS: Codec[NotificationEvent] = Codec(NotificationEvent)
