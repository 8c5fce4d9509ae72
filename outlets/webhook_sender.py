"""The HTTP client of webhooks: asks for consent and sends signed messages, to checked addresses only.

Consent is the handshake of "HTTP 1.1 Web Hooks for Event Delivery" (github.com/cloudevents/spec,
cloudevents/http-webhook.md, section 4): a receiver that did not ask for events is not flooded with them.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from types import TracebackType
from typing import Literal, NamedTuple

import aiohttp

from outlets.webhook_message import WebhookMessage
from runtime.clock import Clock
from runtime.sink_address import SinkError, SinkRules
from runtime.sink_resolver import CheckedResolver
from runtime.webhook_signature import sign
from twin.instant import SECOND

ERROR_CHARACTERS_MAX = 300
"""Length of a stored error text."""

ORIGIN_HEADER = "WebHook-Request-Origin"
ALLOWED_ORIGIN_HEADER = "WebHook-Allowed-Origin"

_RATE = re.compile(r"0*[1-9][0-9]{0,8}")
_SHOWN_CHARACTERS = 60


class DeliveryResult(NamedTuple):
    """The result of one attempt."""

    result: Literal["delivered", "failed", "gone"]
    detail: str = ""
    retry_after_s: float | None = None  #: seconds that the receiver asked to wait


class ConsentAnswer(NamedTuple):
    """The answer of a receiver that was asked for its consent."""

    result: Literal["granted", "refused", "failed"]  #: failed: there was no answer, ask again
    detail: str = ""
    rate_max: int | None = None  #: requests a minute, with the consent
    retry_after_s: float | None = None  #: seconds that the receiver asked to wait


class SenderIdentity(NamedTuple):
    """How the handshake names the sender, and what it asks for."""

    origin: str  #: a DNS name
    rate_max: int  #: requests a minute


class WebhookSender:
    """An HTTP client for all webhooks. It follows no redirect, keeps no cookie and reads no response body."""

    def __init__(self, rules: SinkRules, clock: Clock, timeout_s: float, identity: SenderIdentity) -> None:
        self._rules = rules
        self._clock = clock
        self._timeout_s = timeout_s
        self._identity = identity
        self._session = aiohttp.ClientSession(
            # Each webhook has one request at a time, so the number of webhooks is the limit.
            connector=aiohttp.TCPConnector(limit=0, resolver=CheckedResolver(rules)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            auto_decompress=False,
        )

    async def __aenter__(self) -> WebhookSender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def request_consent(self, url: str) -> ConsentAnswer:
        """Ask a receiver for its consent once. Never raises for a failure of the receiver or the network."""
        headers = {
            "User-Agent": "livetwin",
            ORIGIN_HEADER: self._identity.origin,
            "WebHook-Request-Rate": str(self._identity.rate_max),
        }
        try:
            self._rules.check_url(url)
            async with self._session.options(url, headers=headers, allow_redirects=False) as response:
                return _consent_answer(response, self._identity)
        except TimeoutError:
            return ConsentAnswer("failed", f"no answer to OPTIONS within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, SinkError) as error:
            return ConsentAnswer("failed", _error_text(error))

    async def send(
        self, url: str, secret: bytes, message: WebhookMessage, *, names_origin: bool
    ) -> DeliveryResult:
        """Send a message once. Never raises for a failure of the receiver or the network.

        `names_origin`: whether the header of the handshake names the sender.
        """
        seconds = self._clock() // SECOND
        headers = {
            "Content-Type": message.content_type,
            "User-Agent": "livetwin",
            "webhook-id": message.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(secret, message.id, str(seconds), message.body),
        }
        if names_origin:
            headers[ORIGIN_HEADER] = self._identity.origin
        try:
            self._rules.check_url(url)  # The rules may have changed since the webhook was created.
            async with self._session.post(
                url, data=message.body, headers=headers, allow_redirects=False
            ) as response:
                return _delivery_result(response)
        except TimeoutError:
            return DeliveryResult("failed", f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, SinkError) as error:
            return DeliveryResult("failed", _error_text(error))


def _error_text(error: Exception) -> str:
    return (str(error) or repr(error))[:ERROR_CHARACTERS_MAX]


def _consent_answer(response: aiohttp.ClientResponse, identity: SenderIdentity) -> ConsentAnswer:
    """Return what the headers of an answer say; its status is no consent."""
    allowed = response.headers.get(ALLOWED_ORIGIN_HEADER, "").strip()
    if allowed != "*" and allowed.casefold() != identity.origin.casefold():
        if not allowed and _is_temporary(response.status):
            detail = f"the receiver answered {response.status} to OPTIONS"
            return ConsentAnswer("failed", detail, retry_after_s=_retry_after_s(response))
        found = f"{ALLOWED_ORIGIN_HEADER} {allowed[:_SHOWN_CHARACTERS]!r}" if allowed else "none"
        return ConsentAnswer(
            "refused",
            f"the receiver does not consent: expected {ALLOWED_ORIGIN_HEADER} with {identity.origin!r} or "
            f"'*' in its answer to OPTIONS, which was {response.status}, found {found}",
        )
    rate = response.headers.get("WebHook-Allowed-Rate", "*").strip()
    if rate == "*":
        return ConsentAnswer("granted", rate_max=identity.rate_max)
    if not _RATE.fullmatch(rate):
        return ConsentAnswer(
            "refused",
            "the receiver consents to no rate: expected WebHook-Allowed-Rate with a positive whole number of "
            f"requests a minute, or '*', found {rate[:_SHOWN_CHARACTERS]!r}",
        )
    return ConsentAnswer("granted", rate_max=min(int(rate), identity.rate_max))


def _is_temporary(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }


def _delivery_result(response: aiohttp.ClientResponse) -> DeliveryResult:
    if response.ok and response.status < HTTPStatus.MULTIPLE_CHOICES:
        return DeliveryResult("delivered")
    if response.status == HTTPStatus.GONE:
        return DeliveryResult("gone", "the receiver answered 410 Gone")
    detail = f"the receiver answered {response.status}"
    return DeliveryResult("failed", detail, _retry_after_s(response))


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    retry_after = response.headers.get("Retry-After", "")
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 10 else None
