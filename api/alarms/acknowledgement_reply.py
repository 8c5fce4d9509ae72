"""Acknowledgement by a reply: a contact answers an SMS message with its code, and the provider sends it here.

A reply acknowledges what the link of its message would: the occurrences that the message told, at the
severity that it told. It counts only from the contact's address on the channel of the message.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Iterator
from http import HTTPStatus
from math import ceil
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from alerting.delivery.acknowledge_links import AcknowledgeLink
from alerting.delivery.channel_secrets import MissingSecretError
from alerting.delivery.reply_codes import CODE_VALID, codes_in, decode_occurrences, reply_code, same_number
from api.alarms import answers as alarm_answers
from api.alarms.acknowledgement_link import acknowledge_by_link
from api.alarms.documents import incident_path
from api.alarms.links.linked_incident import LinkedAlarms, LinkOutcome, acknowledgement_outcome
from api.alarms.models import ReplyAnswer, ReplyLinks, ReplyOutcome
from api.alarms.reply_request import ReplyParameters, check_credentials, read_reply
from api.context import ApiContext, context_of
from api.http.answers import answers
from api.http.bodies import read_content
from api.http.models import Link
from api.http.problems import ProblemError, not_found, unavailable
from runtime.secret_files import SecretFileError
from storage.stores.alarms import read_answerable_notifications
from twin.instant import Instant
from twin.model.bilingual_text import Language
from twin.model.duty import Contact
from twin.wire.duty_messages import NotificationEvent

log = logging.getLogger(__name__)

router = APIRouter(tags=["duty"])

MESSAGES_MAX = 1_000
"""The most messages to a contact that a reply may answer."""

RETRY_AFTER_S = 5

_ANSWERS: dict[Language, dict[ReplyOutcome, str]] = {
    "en": {
        "acknowledged": "Thank you. Your acknowledgement is recorded.",
        "changed": "Not acknowledged: it has become worse since your message, or is another alarm. "
        "Look at your newest message or the page.",
        "over": "No alarm of this message waits for an acknowledgement any more.",
        "used": "This code was already used for this alarm. Acknowledge it on the page.",
        "unanswered": "Your acknowledgement is being processed. Look at the page in a moment.",
        "expired": "This code is no longer valid. Acknowledge the alarm on the page.",
        "unknown-code": "This code is not known. Reply with the code of your message.",
        "no-code": "There is no code in your reply. Reply with the code of your message.",
        "unknown-sender": "",  # nobody pays for texts to strangers
    },
    "nl": {
        "acknowledged": "Dank u. Uw bevestiging is vastgelegd.",
        "changed": "Niet bevestigd: het is erger geworden sinds uw bericht, of het is een ander alarm. "
        "Kijk naar uw nieuwste bericht of naar de pagina.",
        "over": "Er wacht geen alarm van dit bericht meer op een bevestiging.",
        "used": "Deze code is voor dit alarm al gebruikt. Bevestig het op de pagina.",
        "unanswered": "Uw bevestiging wordt verwerkt. Kijk over een ogenblik op de pagina.",
        "expired": "Deze code is niet meer geldig. Bevestig het alarm op de pagina.",
        "unknown-code": "Deze code is niet bekend. Antwoord met de code uit uw bericht.",
        "no-code": "Er staat geen code in uw antwoord. Antwoord met de code uit uw bericht.",
        "unknown-sender": "",
    },
}

_MORE: dict[Language, str] = {
    "en": "Other alarms of this incident still wait, or have become worse: look at the page.",
    "nl": "Andere alarmen van dit incident wachten nog, of zijn erger geworden: kijk op de pagina.",
}


class _Sender(NamedTuple):
    contact: Contact
    channel: str


class _Answered(NamedTuple):
    """The message that a reply answers."""

    contact: Contact
    message: NotificationEvent


@router.post("/v1/acknowledge-replies", summary="Acknowledge by a reply to a message")
@answers(
    alarm_answers.REPLY,
    alarm_answers.REPLY_UNANSWERED,
    problems=(HTTPStatus.NOT_FOUND,),
    body=alarm_answers.REPLY_BODY,
    negotiated=False,
)
async def acknowledge_by_reply(request: Request, parameters: Annotated[ReplyParameters, Query()]) -> Response:
    """Acknowledge for a contact what the message with the code of the reply told; once for each occurrence.

    The body is a JSON object or a form of the provider, with the sender's number and the text. The answer is
    200 for every reply, also of strangers, so that the provider neither repeats it nor stops sending replies.
    """
    context = context_of(request)
    body = await read_content(request)
    check_credentials(context, request, body)
    reply = read_reply(request, body, parameters)
    if not context.log_follower.ready.is_set():
        # Before that, an alarm that waits would be taken for one that is over.
        raise unavailable("The live view is not up to date yet; send the reply again.", RETRY_AFTER_S)
    senders = tuple(_senders(context, reply.sender))
    if not senders:
        log.warning(
            "a reply came from a number of no contact on a channel that takes replies",
            extra={"event": "api.unknown_reply_sender"},
        )
        return _response(None, "unknown-sender")
    codes = codes_in(reply.text)
    contact = senders[0].contact
    if not codes:
        return _response(contact, "no-code")
    _limit(context, contact, len(codes))
    found = await _answered(context, senders, codes)
    if found is None:
        log.warning(
            "a reply of %s has an unknown code",
            contact.id,
            extra={"event": "api.unknown_reply_code", "contact": contact.id},
        )
        return _response(contact, "unknown-code")
    return await _acknowledge(context, found)


def _senders(context: ApiContext, number: str) -> Iterator[_Sender]:
    """Yield the contacts who have this number on a channel that takes replies."""
    duty = context.model.duty
    channels = [one.id for one in duty.channels if one.takes_replies]
    for contact in duty.contacts:
        for channel in channels:
            try:
                address = context.contact_secrets.fill(contact.addresses.get(channel, ""))
            except (MissingSecretError, SecretFileError) as error:
                log.warning(
                    "replies of %s cannot be checked: the variable of the address on channel %s is missing "
                    "here, set it as in alerting: %s",
                    contact.id,
                    channel,
                    error,
                    extra={"event": "api.reply_address_missing", "contact": contact.id},
                )
                continue
            if same_number(address, number):
                yield _Sender(contact, channel)


def _limit(context: ApiContext, contact: Contact, codes: int) -> None:
    """Raise a problem (429) when a contact's number has sent too many codes."""
    decision = context.reply_limiter.take(contact.id, time.monotonic(), codes)
    if not decision.granted:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "This contact has sent too many codes; acknowledge the alarm on the page.",
            headers={"Retry-After": str(ceil(decision.wait_s))},
        )


async def _answered(context: ApiContext, senders: tuple[_Sender, ...], codes: list[str]) -> _Answered | None:
    """Return the newest message with one of the codes; None if there is none, or its time is long over."""
    key = _link_key(context)
    start = context.clock() - 2 * CODE_VALID
    async with context.database.connection() as connection:
        for contact, channel in senders:
            messages = await read_answerable_notifications(
                connection, contact.id, channel, start, MESSAGES_MAX
            )
            for message in messages:
                code = reply_code(key, message.notification)
                if any(hmac.compare_digest(code, one) for one in codes):
                    return _Answered(contact, message)
    return None


def _link_key(context: ApiContext) -> bytes:
    key = context.settings.link_key
    if key is None:
        raise not_found("This server has no key to verify acknowledgements.")
    return key.get_secret_value().encode()


async def _acknowledge(context: ApiContext, found: _Answered) -> Response:
    contact, message = found
    expires: Instant = message.time + CODE_VALID
    if context.clock() > expires:
        return _response(contact, "expired", message)
    link = AcknowledgeLink(message.incident, contact.id, expires, decode_occurrences(message.answerable))
    try:
        alarms, outcome = await acknowledge_by_link(
            context, link, contact, key=f"reply~{message.notification}"
        )
    except ProblemError as problem:
        if problem.status != HTTPStatus.NOT_FOUND:
            raise
        return _response(contact, "over", message)
    log.info(
        "a reply of %s acknowledged what %s told",
        contact.id,
        message.notification,
        extra={"event": "api.acknowledge_reply", "notification": message.notification},
    )
    result = _outcome(contact, alarms, outcome)
    more = result == "acknowledged" and bool(alarms.waiting or alarms.later)
    return _response(contact, result, message, more=more)


def _outcome(contact: Contact, alarms: LinkedAlarms, outcome: LinkOutcome) -> ReplyOutcome:
    found = acknowledgement_outcome(contact, alarms, outcome)
    if found == "already":
        # By somebody else: a text says that it is over, or that there is news.
        return "changed" if alarms.later else "over"
    return found


def _response(
    contact: Contact | None,
    outcome: ReplyOutcome,
    message: NotificationEvent | None = None,
    *,
    more: bool = False,
) -> Response:
    """Return the answer to a reply; `more`: it acknowledged some alarms, and others still wait."""
    incident = message.incident if message is not None else ""
    language: Language = contact.language if contact is not None else "nl"
    answer = _ANSWERS[language][outcome]
    reply = ReplyAnswer(
        outcome=outcome,
        answer=f"{answer} {_MORE[language]}" if more else answer,
        contact_id=contact.id if contact is not None else None,
        notification_id=message.notification if message is not None else None,
        incident_id=incident or None,
        links=ReplyLinks(incident=Link(href=incident_path(incident)) if incident else UNSET),
    )
    declared = alarm_answers.REPLY_UNANSWERED if outcome == "unanswered" else alarm_answers.REPLY
    return declared.response(reply)
