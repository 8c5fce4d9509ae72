"""A receiver of webhooks: an HTTP server with scripted answers, which consents to any origin and rate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

NO_ANSWER = 0
"""A status for which no answer is sent."""


class WebhookRequest(NamedTuple):
    """A received request."""

    status: int  #: the answered status
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        found = json.loads(self.body)
        return found if isinstance(found, list) else [found]


class Consent(NamedTuple):
    """An answer to OPTIONS."""

    status: int = 204
    origin: str | None = "*"
    rate: str | None = "*"

    @property
    def headers(self) -> dict[str, str]:
        named = {"WebHook-Allowed-Origin": self.origin, "WebHook-Allowed-Rate": self.rate}
        return {name: value for name, value in named.items() if value is not None}


class WebhookReceiver:
    """Answers with the statuses of `script`, one after the other, and then with 204.

    It answers OPTIONS with `consents`, and then with that of any origin.
    """

    def __init__(self, *script: int) -> None:
        self.url = ""
        self.script = list(script)
        self.requests: list[WebhookRequest] = []
        self.consents: list[Consent] = []
        self.handshakes: list[dict[str, str]] = []  #: headers of the requests for consent
        self.changed = asyncio.Condition()
        self.headers: dict[str, str] = {}  #: of its answers
        self.answering = asyncio.Event()  #: requests wait while this is not set
        self.answering.set()

    @property
    def accepted_events(self) -> list[dict[str, Any]]:
        """The accepted events, in order of arrival."""
        return [event for one in self.requests if one.status == 204 for event in one.events]

    def accepted_ids(self) -> list[str]:
        """Return the ids of the accepted events."""
        return [one["id"] for one in self.accepted_events]

    async def consent(self, request: web.Request) -> web.Response:
        async with self.changed:
            answer = self.consents.pop(0) if self.consents else Consent()
            self.handshakes.append({name.lower(): value for name, value in request.headers.items()})
            self.changed.notify_all()
        if answer.status == NO_ANSWER:
            await asyncio.Event().wait()
        return web.Response(status=answer.status, headers={**self.headers, **answer.headers})

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self.changed:
            status = self.script.pop(0) if self.script else 204
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.requests.append(WebhookRequest(status, headers, body))
            self.changed.notify_all()
        if status == NO_ANSWER:
            await asyncio.Event().wait()
        await self.answering.wait()
        return web.Response(status=status, headers=self.headers)


@asynccontextmanager
async def webhook_receiver(*script: int) -> AsyncIterator[WebhookReceiver]:
    """Run a receiver on a free port."""
    receiver = WebhookReceiver(*script)
    application = web.Application()
    application.router.add_post("/hook", receiver.handle)
    application.router.add_route("OPTIONS", "/hook", receiver.consent)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
