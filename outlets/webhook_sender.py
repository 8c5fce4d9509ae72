"""The HTTP client of webhooks: sends a signed message to a checked address, within a time limit."""

from __future__ import annotations

from http import HTTPStatus
from types import TracebackType
from typing import Literal, NamedTuple

import aiohttp

from outlets.cloud_event import WebhookMessage
from runtime.clock import Clock
from runtime.sink_address import SinkError, SinkRules
from runtime.sink_resolver import CheckedResolver
from runtime.webhook_signature import sign
from twin.instant import SECOND

ERROR_CHARACTERS_MAX = 300
"""Length of a stored error text."""


class DeliveryResult(NamedTuple):
    """The result of one attempt."""

    result: Literal["delivered", "failed", "gone"]
    detail: str = ""
    retry_after_s: float | None = None  #: seconds that the receiver asked to wait


class WebhookSender:
    """An HTTP client for all webhooks. It follows no redirect, keeps no cookie and reads no response body."""

    def __init__(self, rules: SinkRules, clock: Clock, timeout_s: float) -> None:
        self._rules = rules
        self._clock = clock
        self._timeout_s = timeout_s
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

    async def send(self, url: str, secret: bytes, message: WebhookMessage) -> DeliveryResult:
        """Send a message once. Never raises for a failure of the receiver or the network."""
        seconds = self._clock() // SECOND
        headers = {
            "Content-Type": message.content_type,
            "User-Agent": "livetwin",
            "webhook-id": message.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(secret, message.id, str(seconds), message.body),
        }
        try:
            self._rules.check_url(url)  # The rules may have changed since the webhook was created.
            async with self._session.post(
                url, data=message.body, headers=headers, allow_redirects=False
            ) as response:
                return _delivery_result(response)
        except TimeoutError:
            return DeliveryResult("failed", f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, SinkError) as error:
            return DeliveryResult("failed", (str(error) or repr(error))[:ERROR_CHARACTERS_MAX])


def _delivery_result(response: aiohttp.ClientResponse) -> DeliveryResult:
    if response.ok and response.status < HTTPStatus.MULTIPLE_CHOICES:
        return DeliveryResult("delivered")
    if response.status == HTTPStatus.GONE:
        return DeliveryResult("gone", "the receiver answered 410 Gone")
    retry_after = response.headers.get("Retry-After", "")
    return DeliveryResult(
        "failed",
        f"the receiver answered {response.status}",
        float(retry_after) if retry_after.isdecimal() and len(retry_after) < 10 else None,
    )
