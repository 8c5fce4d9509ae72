"""A message to one contact over one channel, from the decision to send it to its outcome."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec
from msgspec.structs import replace

from alerting.incidents.incident_state import NotificationRequest
from alerting.messages.message_text import MessageText
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import NotificationEvent

DETAIL_CHARACTERS_MAX = 300

NotificationOutcome = Literal["sending", "sent", "failed", "given-up", "withdrawn"]

DOUBTFUL_DETAIL = "the process ended while it was handed over; whether it got there is not known"


class MessageState(StrEnum):
    """How far a message is."""

    WAITING = "waiting"  #: for its first or next try
    SENDING = "sending"  #: being handed over; found at a start it is doubtful
    ENDED = "ended"


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message. Its tries have the numbers from 1; each event about it has a revision of its own."""

    send: NotificationRequest
    wording: MessageText
    standing: MessageState = MessageState.WAITING
    attempt: int = 0  #: tries so far
    revision: int = 0
    due: Instant  #: of the next try

    @property
    def id(self) -> str:
        """The notification's id."""
        return self.send.notification

    def as_sending(self) -> OutgoingMessage:
        """Return it as it is while it is handed over: what the journal holds before anything is sent."""
        return self._told(standing=MessageState.SENDING, attempt=self.attempt + 1)

    def as_waiting(self, due: Instant) -> OutgoingMessage:
        """Return it as it waits for another try."""
        return self._told(standing=MessageState.WAITING, due=due)

    def as_ended(self) -> OutgoingMessage:
        """Return it as it is when nothing more is done with it."""
        return self._told(standing=MessageState.ENDED)

    def _told(self, **changes: object) -> OutgoingMessage:
        return replace(self, revision=self.revision + 1, **changes)

    def to_event(self, outcome: NotificationOutcome, now: Instant, detail: str = "") -> NotificationEvent:
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
