"""A message to one contact over one channel, from the decision to send it to its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from alerting.delivery.reply_codes import encode_occurrences
from alerting.incidents.incident_state import NotificationRequest, Recipient
from alerting.messages.message_text import MessageText
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import NotificationEvent

DETAIL_CHARACTERS_MAX = 300

NotificationOutcome = Literal["sending", "sent", "failed", "given-up", "withdrawn"]

DOUBTFUL_DETAIL = "the process ended while the message was being sent; it is not known whether it arrived"

NOT_SENT_DETAIL = (
    "not handed over: another process may have taken over, since the log did not confirm this one"
)


class MessageState(StrEnum):
    """The state of a message."""

    WAITING = "waiting"  #: for its first or next attempt
    SENDING = "sending"  #: an attempt is under way; after a restart its outcome is doubtful
    ENDED = "ended"


class AttemptKey(NamedTuple):
    """Identifies an attempt. Its number does not: two processes may both begin the first attempt."""

    notification: str
    begun: Instant


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt to send a message."""

    id: str  #: of the message
    sent: bool
    detail: str = ""  #: why it was not sent, without secrets
    final: bool = False  #: whether another attempt would fail in the same way
    doubtful: bool = False  #: whether the message may have arrived nevertheless
    gone: tuple[str, ...] = ()  #: ids of subscriptions of browsers that have ended


_STORED_NAMES = {"request": "send", "text": "wording", "state": "standing"}
"""The names of fields in the journal, where they differ."""


class DigestPart(NamedTuple):
    """A message in a digest."""

    notification: str
    text: str
    occurrences: frozenset[bytes]  #: as in `OutgoingMessage`; empty: there is nothing to acknowledge


class HandOverLine(NamedTuple):
    """An open incident in the summary of a hand-over."""

    incident: str
    text: str
    occurrences: frozenset[bytes]  #: as in `OutgoingMessage`; empty: there is nothing to acknowledge


class HandOverSummary(NamedTuple):
    """What a hand-over tells: whose turn it is, and the incidents of the team that are open then."""

    team: str
    since: Instant  #: of the turn
    head: str  #: the text before the lines
    lines: tuple[HandOverLine, ...]  #: the worst incident first
    total: int  #: of open incidents; it may be more than there are lines


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_NAMES):
    """A message in the journal. Attempts count from 1; each event about it has a revision of its own."""

    request: NotificationRequest
    text: MessageText
    state: MessageState = MessageState.WAITING
    attempt: int = 0  #: attempts so far
    begun: Instant = 0  #: when the last of them began; 0 before the first one
    revision: int = 0
    due: Instant  #: of the next attempt
    #: the occurrences that it tells of, which its link acknowledges: `acknowledge_links.occurrence_digest`
    occurrences: frozenset[bytes] = frozenset()
    held_until: Instant = 0  #: the latest time of an attempt when the recipient gets too many messages
    covered_by: str = ""  #: a newer message, decided while this one was being sent: it is not tried again
    digest: str = ""  #: the digest that contains it in this attempt; empty: it is sent alone
    answerable: frozenset[bytes] = frozenset()  #: the occurrences that a reply to it acknowledges
    parts: tuple[DigestPart, ...] = ()  #: of a digest: the messages in it
    hand_over: HandOverSummary | None = None  #: of a hand-over

    @property
    def id(self) -> str:
        """The notification's id."""
        return self.request.notification

    @property
    def recipient(self) -> Recipient:
        """The contact on the channel."""
        return Recipient(self.request.contact, self.request.channel)

    @property
    def attempt_key(self) -> AttemptKey:
        """What the last attempt is known by."""
        return AttemptKey(self.id, self.begun)

    def as_sending(
        self, now: Instant, digest: str = "", answerable: frozenset[bytes] = frozenset()
    ) -> OutgoingMessage:
        """Return the message as the journal must have it before an attempt begins, alone or in a digest."""
        return self._changed(
            state=MessageState.SENDING,
            attempt=self.attempt + 1,
            begun=now,
            digest=digest,
            answerable=answerable,
        )

    def as_waiting(self, due: Instant, held_until: Instant) -> OutgoingMessage:
        """Return the message as it waits for another attempt."""
        return self._changed(state=MessageState.WAITING, due=due, held_until=held_until, digest="")

    def as_ended(self) -> OutgoingMessage:
        """Return the message as it is after its last attempt."""
        return self._changed(state=MessageState.ENDED)

    def _changed(self, **changes: object) -> OutgoingMessage:
        return replace(self, revision=self.revision + 1, **changes)

    def to_event(self, outcome: NotificationOutcome, now: Instant, detail: str = "") -> NotificationEvent:
        """Return the event about the message that is published on `notifications`."""
        request = self.request
        return NotificationEvent(
            version=LAYOUT_VERSION,
            notification=request.notification,
            revision=self.revision,
            incident=request.incident,
            kind=request.kind,
            round=request.round,
            step=request.step,
            contact=request.contact,
            channel=request.channel,
            outcome=outcome,
            attempt=max(1, self.attempt),
            time=now,
            due_time=request.due_time,
            title=self.text.title,
            detail=detail[:DETAIL_CHARACTERS_MAX],
            digest=self.digest,
            answerable=encode_occurrences(self.answerable),
        )
