"""The digest: one message that contains several, the worst first. Pure.

It tells of an incident only if it has a line about it. On a channel that is too short for all lines it gives
the number of the others, and its link acknowledges only those with a line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from alerting.incidents.incident_state import NotificationRequest
from alerting.messages.message_text import TITLE_CHARACTERS_MAX, MessageText
from alerting.messages.outgoing_message import DigestPart, OutgoingMessage
from alerting.messages.phrases import phrases_of, severity_label
from alerting.messages.short_text import SHORT_CHARACTERS_MAX, short_text
from twin.alarms.severity import Severity
from twin.instant import Instant
from twin.model.bilingual_text import Language

WHOLE_MESSAGES_MAX = 5
"""Up to so many messages are in a digest with their whole text; of more, each has one line."""

OCCURRENCES_MAX = 500
"""The most occurrences that a link of a digest acknowledges: it must still fit into a URL."""

_LINK_CHARACTERS = 200
_OCCURRENCE_CHARACTERS = 7
"""The room for a link with its label, and for each occurrence in it."""


def compose_digest(messages: Sequence[OutgoingMessage], now: Instant) -> OutgoingMessage:
    """Return the digest of at least two messages to one recipient, which are in the order of its lines.

    Its id follows from the messages in it: a failed digest that is sent again with the same content has the
    same id, and a greater revision.
    """
    first = messages[0]
    request = NotificationRequest(
        notification=_digest_id(messages),
        incident="",
        kind="digest",
        round=0,
        step=0,
        contact=first.request.contact,
        channel=first.request.channel,
        due_time=now,
    )
    is_whole = len(messages) <= WHOLE_MESSAGES_MAX
    parts = tuple(
        DigestPart(
            one.id,
            f"{one.text.title}\n{one.text.body}\n" if is_whole else f"– {one.text.line or one.text.title}",
            one.occurrences if one.text.answer_label else frozenset(),
        )
        for one in messages
    )
    return OutgoingMessage(
        request=request,
        text=_text(messages, parts),
        attempt=max(one.attempt for one in messages),
        revision=sum(one.revision for one in messages),
        due=now,
        occurrences=frozenset().union(*(part.occurrences for part in parts)),
        parts=parts,
    )


def fit_digest(message: OutgoingMessage, characters: int) -> OutgoingMessage:
    """Return a digest with the lines for which a channel of so many characters has room, but at least one.

    Its occurrences are those of these lines. A channel of short texts gets the short text, which names only
    the first message.
    """
    head = message.text.body.split("\n", 1)[0]
    count = len(message.parts)
    return fit_lines(message, head, message.parts, count=count, omitted="digest omitted", room=characters)


class ToldLine(Protocol):
    """A line of a message that tells of several incidents."""

    @property
    def text(self) -> str:
        """The text of the line."""

    @property
    def occurrences(self) -> frozenset[bytes]:
        """What it tells of; empty: there is nothing to acknowledge."""


def fit_lines(
    message: OutgoingMessage,
    head: str,
    lines: Sequence[ToldLine],
    *,
    count: int,
    omitted: str,
    room: int,
) -> OutgoingMessage:
    """Return a message with the lines for which it has room, in characters, and their occurrences.

    `omitted` is the key of the phrase about the rest of a `count`.
    """
    phrases = phrases_of(message.text.language)
    is_short = room <= SHORT_CHARACTERS_MAX
    room -= len(head) + len(phrases[omitted]) + _LINK_CHARACTERS
    listed: list[ToldLine] = []
    occurrences: set[bytes] = set()
    for line in lines:
        room -= len(line.text) + 1 + _OCCURRENCE_CHARACTERS * len(line.occurrences)
        told = occurrences | line.occurrences
        if listed and (room < 0 or len(told) > OCCURRENCES_MAX or is_short):
            break
        listed.append(line)
        occurrences = told
    rest = phrases[omitted].format(count=count - len(listed)) if len(listed) < count else ""
    body = "\n".join(filter(None, (head, *(one.text for one in listed), rest))).rstrip()
    return replace(message, text=replace(message.text, body=body), occurrences=frozenset(occurrences))


def _digest_id(messages: Sequence[OutgoingMessage]) -> str:
    content = "\0".join(sorted(one.id for one in messages)).encode()
    request = messages[0].request
    return "~".join(("digest", hashlib.sha256(content).hexdigest()[:16], request.contact, request.channel))


def _text(messages: Sequence[OutgoingMessage], parts: Sequence[DigestPart]) -> MessageText:
    first, language = messages[0].text, messages[0].text.language
    phrases, count = phrases_of(language), len(messages)
    head, _, rest = first.title.partition(" · ")
    title = f"{head} · {phrases['digest'].format(count=count)}: {rest}"
    numbers = phrases["digest"].format(count=count) + ": " + _severities(messages, language)
    return MessageText(
        title=title[:TITLE_CHARACTERS_MAX],
        body="\n".join((numbers, *(part.text for part in parts))).rstrip(),
        short=short_text(f"{head} - {numbers}; {phrases['digest first']}: {rest}")[:SHORT_CHARACTERS_MAX],
        line="",
        language=language,
        severity=max(one.text.severity for one in messages),
        answer_label=next((one.text.answer_label for one in messages if one.text.answer_label), ""),
    )


def _severities(messages: Sequence[OutgoingMessage], language: Language) -> str:
    counts = Counter(one.text.severity for one in messages)
    return ", ".join(
        f"{counts[severity]} {severity_label(severity, language)}"
        for severity in sorted(Severity, reverse=True)
        if counts[severity]
    )
