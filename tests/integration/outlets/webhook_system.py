"""The API and the outlets of one city, for tests of webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from prometheus_client import CollectorRegistry

from tests.support.receivers.webhook_receiver import WebhookReceiver

DEADLINE_S = 60.0
LOOPBACK = "127.0.0.0/8"
KEY = {"Authorization": "Bearer sesame"}
FAST_RETRIES = {
    "sink_networks": LOOPBACK,
    "webhook_retry_first_s": 0.05,
    "webhook_retry_max_s": 0.2,
    "webhook_batch_s": 0.0,
}


class WebhookSystem:
    """The API and the outlets of one city."""

    def __init__(self, api: Any, outlets: AsyncExitStack, start: Callable[..., Any]) -> None:
        self.client = api.client
        self.counted = CollectorRegistry()  #: of the outlets that were started last
        self._outlets = outlets
        self._start = start

    async def start_outlets(self, **options: Any) -> None:
        self.counted = await self._outlets.enter_async_context(self._start(**options))

    async def stop_outlets(self) -> None:
        await self._outlets.aclose()

    async def subscribe(
        self, url: str, mode: str = "batch", options: Mapping[str, Any] | None = None, **filter: Any
    ) -> dict[str, Any]:
        body = {"url": url, "mode": mode, "filter": filter, **(options or {})}
        answer = await self.client.post("/v1/subscriptions", json=body, headers=KEY)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/v1/subscriptions/{made['id']}"
        return made

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/v1/subscriptions{path}", headers=KEY)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def resume(self, id: str, **body: str) -> None:
        answer = await self.client.post(f"/v1/subscriptions/{id}/_resume", json=body, headers=KEY)
        assert answer.status_code == 200, answer.text

    async def until(self, id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the shown subscription satisfies a condition."""
        found: dict[str, Any] = {}
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not holds(found := await self.get(f"/{id}")):  # noqa: ASYNC110 - a row has no event
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(found) from None
        return found

    async def counts(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric of the outlets has a value."""
        async with asyncio.timeout(DEADLINE_S):
            while self.counted.get_sample_value(name, labels) != value:  # noqa: ASYNC110 - a metric has no event
                await asyncio.sleep(0.02)


async def until_received(receiver: WebhookReceiver, holds: Callable[[WebhookReceiver], bool]) -> None:
    """Wait until a receiver satisfies a condition."""
    try:
        async with asyncio.timeout(DEADLINE_S), receiver.changed:
            await receiver.changed.wait_for(lambda: holds(receiver))
    except TimeoutError:
        raise AssertionError([(one.status, one.events) for one in receiver.requests[-5:]]) from None


def state_event_ids(entity: str, *revisions: int) -> list[str]:
    return [f"state/{entity}/pm2_5/{one}/live" for one in revisions]
