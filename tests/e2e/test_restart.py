"""A subscriber and a webhook go on after the whole system was killed, and its log with it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.process.procfs import processes_of_data_dir
from runtime.clock import system_clock
from tests.support.receivers.live_stream_reader import LiveStreamReader
from tests.support.receivers.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.support.waiting import WAIT_S, wait_until
from twin.instant import DAY, SECOND, format_instant

pytestmark = pytest.mark.embedded

ENTITY = "alkmaar.binnenstad"
TOPIC = "livetwin/alkmaar/noise-binnenstad/observations"
FOLLOWED = {"entity": ENTITY, "property": "noise_level", "events": "state,alarm"}
BASE = system_clock() // SECOND * SECOND - DAY


def observation(number: int) -> bytes:
    time = format_instant(BASE + number * SECOND)
    return json.dumps({"time": time, "values": {"noise_level": float(number)}}).encode()


async def follow(
    system: Any, last: float, cursor: str | None = None
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the events behind a cursor, up to that of a value."""
    headers = {"Last-Event-ID": cursor} if cursor else {}
    found: list[tuple[str, str, dict[str, Any]]] = []
    async with (
        httpx.AsyncClient(base_url=system.http, timeout=WAIT_S) as client,
        client.stream("GET", "/v1/live", params=FOLLOWED, headers=headers) as answer,
    ):
        assert answer.status_code == HTTPStatus.OK, await answer.aread()
        reader = LiveStreamReader(answer)
        if cursor is None:
            await asyncio.to_thread(system.publish, TOPIC, observation(1))
        while not found or found[-1][2].get("value") != last:
            found.append(await reader.next())
    return found


async def until_accepted(receiver: WebhookReceiver, values: list[float]) -> None:
    """Wait until a receiver has accepted events of these values; some may have come again."""

    def accepted() -> list[float]:
        return list(dict.fromkeys(one["data"].get("value", one["type"]) for one in receiver.accepted_events))

    async with asyncio.timeout(WAIT_S), receiver.changed:
        await receiver.changed.wait_for(lambda: accepted() == values)


async def test_what_was_missed_when_everything_was_killed_is_played_from_the_database(
    start_system: Callable[..., Any], service_folder: Path
) -> None:
    first = start_system()
    await asyncio.to_thread(first.wait_ready)
    async with webhook_receiver() as receiver:
        async with httpx.AsyncClient(
            base_url=first.http, headers={"Authorization": f"Bearer {first.operator_key}"}, timeout=WAIT_S
        ) as client:
            filter = {"entity": [ENTITY], "property": ["noise_level"]}
            wanted = {"url": receiver.url, "mode": "single", "filter": filter}
            made = await client.post("/v1/subscriptions", json=wanted)
            assert made.status_code == HTTPStatus.CREATED, made.text
        ((cursor, _, _),) = await follow(first, 1.0)
        await until_accepted(receiver, [1.0])
        receiver.script = [HTTPStatus.SERVICE_UNAVAILABLE] * 1_000
        first.publish_all([(TOPIC, observation(number)) for number in (2, 3)])
        await asyncio.to_thread(
            wait_until,
            lambda: first.stored_values("noise-binnenstad", "noise_level") == [1.0, 2.0, 3.0],
            "all is stored",
        )
        first.stop(signal.SIGKILL)
        await asyncio.to_thread(
            wait_until, lambda: processes_of_data_dir(service_folder) == [], "nothing of it runs"
        )

        second = start_system()
        await asyncio.to_thread(second.wait_ready)
        receiver.script.clear()
        following = asyncio.create_task(follow(second, 4.0, cursor))
        second.publish(TOPIC, observation(4))
        events = await following
        await until_accepted(receiver, [1.0, 2.0, 3.0, 4.0])
    assert {name for _, name, _ in events} == {"state"}
    values = [data["value"] for _, _, data in events]
    # What was received shortly before the cursor may come again.
    assert values in ([2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
