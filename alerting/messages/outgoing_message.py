"""A message to one contact over one channel, from the decision to send it to its outcome."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec
from msgspec.structs import replace

from alerting.incidents.incident_state import Send
from alerting.messages.message_text import Wording
from twin.instant import Instant
from twin.model.duty import NotificationEvent
from twin.wire.codec import LAYOUT_VERSION

DETAIL_CHARACTERS_MAX = 300

EventOutcome = Literal["sending", "sent", "failed", "given-up", "withdrawn"]

DOUBTFUL = "the process ended while it was handed over; whether it got there is not known"


class Standing(StrEnum):
    """How far a message is."""

    WAITING = "waiting"  #: for its first or next try
    SENDING = "sending"  #: being handed over; found at a start it is doubtful
    ENDED = "ended"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message. Its tries have the numbers from 1; each event about it has a revision of its own."""

    send: Send
    wording: Wording
    standing: Standing = Standing.WAITING
    attempt: int = 0  #: tries so far
    revision: int = 0
    due: Instant  #: of the next try

    @property
    def id(self) -> str:
        """The notification's id."""
        return self.send.notification

    def sending(self) -> Message:
        """Return it as it is while it is handed over: what the journal holds before anything is sent."""
        return self._told(standing=Standing.SENDING, attempt=self.attempt + 1)

    def again(self, due: Instant) -> Message:
        """Return it as it waits for another try."""
        return self._told(standing=Standing.WAITING, due=due)

    def ended(self) -> Message:
        """Return it as it is when nothing more is done with it."""
        return self._told(standing=Standing.ENDED)

    def _told(self, **changes: object) -> Message:
        return replace(self, revision=self.revision + 1, **changes)

    def event(self, outcome: EventOutcome, now: Instant, detail: str = "") -> NotificationEvent:
        """Return what is told of it."""
        send = self.send
        return NotificationEvent(
            version=LAYOUT_VERSION,
            notification=send.notification,
            revision=self.revision,
            incident=send.incident,
            kind=send.kind,
            round=send.round,
            step=send.step,
            contact=send.contact,
            channel=send.channel,
            outcome=outcome,
            attempt=max(1, self.attempt),
            time=now,
            due_time=send.due_time,
            title=self.wording.title,
            detail=detail[:DETAIL_CHARACTERS_MAX],
        )
