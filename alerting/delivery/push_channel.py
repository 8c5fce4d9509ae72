"""The channel to the browsers that a contact has subscribed: web push (RFC 8030), with a key of our own.

A message goes to all browsers of its contact. It has arrived when one push service has taken it: whether a
phone that is switched off shows it is known to nobody, so the next step of a policy must not depend on it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from alerting.delivery.push_encryption import PAYLOAD_BYTES_MAX, encrypt_push
from alerting.delivery.webhook_channel import Exchange, WebhookRequest, exchange_once, run_in_thread
from alerting.messages.outgoing_message import DETAIL_CHARACTERS_MAX, AttemptResult, OutgoingMessage
from runtime.clock import Clock
from runtime.push_key import PushKey
from runtime.sink_address import SinkError, SinkRules
from twin.alarms.severity import Severity
from twin.instant import HOUR, SECOND, Duration
from twin.model.bilingual_text import Language
from twin.model.duty import PushSubscription

PUSH_TEXT_CHARACTERS_MAX = 300
"""The longest text of a message; browsers show some hundred characters of it."""

_TITLE_CHARACTERS_MAX = 120
_TOPIC_CHARACTERS = 32  # RFC 8030, section 5.4: at most 32 of base64url

# A push service keeps a message so long for a phone that is off. The link in it is valid for longer.
_KEPT_URGENT: Duration = 12 * HOUR
_KEPT: Duration = 4 * HOUR

_URGENCY = {
    Severity.CLEARED: "low",
    Severity.WARNING: "normal",
    Severity.MINOR: "normal",
    Severity.MAJOR: "high",
    Severity.CRITICAL: "high",
}
"""RFC 8030, section 5.3: a phone that saves its battery takes `high` at once, `low` while it is charged."""

_ENDED = frozenset({404, 410})
"""The subscription does not exist any more (RFC 8030, section 7.3)."""

# Another attempt with the same message has the same answer.
_FINAL = frozenset({400, 401, 403, 405, 413, 415, 422})


class PushPayload(msgspec.Struct, frozen=True, kw_only=True):
    """What the page's service worker gets, as JSON: docs/reference/push.md describes it."""

    title: str
    body: str
    url: str  #: of the incident: the acknowledge link, or without one the page
    tag: str  #: a later message with the same tag replaces this one
    severity: str
    language: Language
    notification: str  #: id of the message


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Who sends over web push, and where the page is."""

    key: PushKey | None  #: None: no message is sent
    base_url: str
    clock: Clock
    tls: ssl.SSLContext | None = None  #: None: the authorities of the machine

    @property
    def subject(self) -> str:
        """Whom a push service may contact: the page of this server, if the public can reach it."""
        return self.base_url if self.base_url.startswith("https://") else ""


class _Delivery(NamedTuple):
    """What came of a message to one browser."""

    subscription: PushSubscription
    exchange: Exchange
    refusal: str = ""  #: why it was not sent

    @property
    def detail(self) -> str:
        """What went wrong, without the endpoint, which is a secret."""
        subscription, exchange = self.subscription, self.exchange
        text = self.refusal or exchange.fault or f"answered {exchange.status}: {exchange.answer}"
        parts = urlsplit(subscription.endpoint)
        for secret in (subscription.endpoint, f"{parts.path}?{parts.query}", parts.path, parts.query):
            if len(secret) > 1:
                text = text.replace(secret, "…")
        return f"{parts.hostname}: {' '.join(text.split())}"


class PushSender:
    """Sends messages to browsers, each in the thread of the caller; safe for several threads."""

    def __init__(self, options: PushOptions, rules: SinkRules, timeout_s: float) -> None:
        self._options = options
        self._rules = rules
        self._timeout_s = timeout_s

    def send(
        self, message: OutgoingMessage, link: str, subscriptions: Sequence[PushSubscription]
    ) -> AttemptResult:
        """Send a message to the browsers of its contact, from a thread without an event loop.

        It is sent if one push service took it. Otherwise it is doubtful if one has it and did not answer in
        time, and final if no attempt can do better.
        """
        key, contact, now = self._options.key, message.request.contact, self._options.clock()
        if key is None:
            detail = "web push needs LIVETWIN_PUSH_KEY, which is not set"
            return AttemptResult(message.id, False, detail, final=True)
        present = [one for one in subscriptions if one.contact == contact and one.expires > now]
        if not present:
            detail = f"contact {contact} has no browser that takes messages"
            return AttemptResult(message.id, False, detail, final=True)
        payload = push_payload(message, link, self._options.base_url)
        requests = {one.id: self._request(message, payload, one, key) for one in present}
        return _result(message.id, run_in_thread(self._send_to_each(present, requests)))

    async def _send_to_each(
        self, subscriptions: Sequence[PushSubscription], requests: Mapping[str, WebhookRequest | str]
    ) -> list[_Delivery]:
        async def deliver(subscription: PushSubscription) -> _Delivery:
            request = requests[subscription.id]
            if isinstance(request, str):
                return _Delivery(subscription, Exchange(), f"the subscription cannot be used: {request}")
            exchange = await exchange_once(request, self._rules, self._timeout_s, self._options.tls)
            return _Delivery(subscription, exchange)

        return await asyncio.gather(*map(deliver, subscriptions))

    def _request(
        self, message: OutgoingMessage, payload: bytes, subscription: PushSubscription, key: PushKey
    ) -> WebhookRequest | str:
        """Return the request for a browser; the reason, if its subscription cannot be used."""
        try:
            self._rules.check_url(subscription.endpoint)
            body = encrypt_push(payload, decoded_key(subscription.p256dh), decoded_key(subscription.auth))
        except (SinkError, ValueError) as error:
            return str(error)
        options, severity = self._options, message.text.severity
        kept = _KEPT_URGENT if severity >= Severity.MAJOR else _KEPT
        headers = {
            "Authorization": key.authorization(subscription.endpoint, options.subject, options.clock()),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(kept // SECOND),
            "Urgency": _URGENCY[severity],
            "User-Agent": "livetwin",
        }
        # A digest is of other incidents than the one before: it replaces none.
        if message.request.incident and not message.parts:
            headers["Topic"] = _topic(message.request.incident, subscription)
        return WebhookRequest("POST", subscription.endpoint, headers, body)


def push_payload(message: OutgoingMessage, link: str, base_url: str) -> bytes:
    """Return what a browser gets: title, one sentence and the link, in at most `PAYLOAD_BYTES_MAX` bytes.

    Of a link with very many occurrences there is only the page.
    """
    text, incident = message.text, message.request.incident
    sentence = text.line.removeprefix(f"{text.title}, ") or text.short
    page = base_url.rstrip("/") + incident_page_path(incident)
    tag = incident or message.request.kind
    for url in (link.partition(": ")[2] or page, page):
        payload = msgspec.json.encode(
            PushPayload(
                title=text.title[:_TITLE_CHARACTERS_MAX],
                body=sentence[:PUSH_TEXT_CHARACTERS_MAX],
                url=url,
                tag=message.id if message.parts else tag,
                severity=text.severity.word,
                language=text.language,
                notification=message.id,
            )
        )
        if len(payload) <= PAYLOAD_BYTES_MAX:
            break
    return payload


def incident_page_path(incident: str) -> str:
    """Return the path of the page that shows an incident; of the page itself without one.

    >>> incident_page_path("high-water~alkmaar~4")
    '/?incident=high-water~alkmaar~4'
    """
    return f"/?incident={quote(incident, safe='~')}" if incident else "/"


def _topic(incident: str, subscription: PushSubscription) -> str:
    """Return the topic of an incident: a message that waits for the browser is replaced by a later one.

    The secret of the subscription is in it, so that a push service cannot guess the incident.
    """
    digest = hashlib.sha256(f"{subscription.auth}\0{incident}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_TOPIC_CHARACTERS]


def _result(id: str, deliveries: Sequence[_Delivery]) -> AttemptResult:
    gone = tuple(one.subscription.id for one in deliveries if one.exchange.status in _ENDED)
    if any(200 <= one.exchange.status < 300 for one in deliveries):
        return AttemptResult(id, True, gone=gone)
    detail = "; ".join(one.detail for one in deliveries)[:DETAIL_CHARACTERS_MAX]
    if any(one.exchange.doubtful for one in deliveries):
        return AttemptResult(id, False, detail, doubtful=True, gone=gone)
    is_final = all(one.refusal or one.exchange.status in _ENDED | _FINAL for one in deliveries)
    return AttemptResult(id, False, detail, final=is_final, gone=gone)


def decoded_key(text: str) -> bytes:
    """Return the bytes of a key of a subscription; raise ValueError unless it is base64url."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
