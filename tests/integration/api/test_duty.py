"""Overrides over HTTP in a real database: created, visible to roles, withdrawn, and on record afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from storage.database import connect
from storage.model.model_source import ModelSource
from storage.model.model_store import apply_plan, load_model
from storage.stores.tokens import create_token
from tests.support.cities.city_builder import plan_of
from tests.support.cities.rosters import plan_with_calendar
from twin.instant import HOUR, format_instant
from twin.model.city_model import CityModel
from twin.model.role import Role

DEADLINE_S = 20.0


class Fixture:
    """A running api that watches its database, and API keys."""

    def __init__(self, client: httpx.AsyncClient, keys: dict[Role, str]) -> None:
        self.client = client
        self._keys = keys

    async def ask(self, method: str, path: str, role: Role, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        return await self.client.request(method, path, headers=headers, **more)

    async def on_call(self, role: Role = "viewer") -> dict[str, Any]:
        (item,) = (await self.ask("GET", "/v1/duty/on-call", role)).json()["items"]
        return {"contact": item["contact"]["id"], "source": item["source"]}

    async def wait_for(self, contact: str, source: str) -> None:
        """Return once this contact is on call."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.on_call() != {"contact": contact, "source": source}:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.02)


@pytest.fixture
async def duty(
    start_api: Any, kafka: str, database: str, model: CityModel, tmp_path: Path
) -> AsyncIterator[Fixture]:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, replace(plan_of(model), duty=plan_with_calendar("")))
        city = await load_model(connection, "city")
        roles: tuple[Role, ...] = ("viewer", "duty")
        keys = {role: await create_token(connection, f"desk of {role}", role) for role in roles}
    source = ModelSource(database, "city", tmp_path)
    async with start_api(kafka, model=city, database=database, models=source) as api:
        yield Fixture(api.client, keys)


def body(contact: str = "lead", **more: str) -> dict[str, str]:
    return {
        "teamId": "operations",
        "contactId": contact,
        "end": format_instant(system_clock() + HOUR),
        **more,
    }


async def test_an_override_applies_until_it_is_withdrawn_and_stays_on_record(duty: Fixture) -> None:
    assert await duty.on_call() == {"contact": "water", "source": "default"}
    made = await duty.ask("POST", "/v1/duty/overrides", "duty", json=body(note="Swapped."))
    assert made.status_code == 201
    path = made.headers["location"]
    assert path == made.json()["_links"]["self"]["href"]
    await duty.wait_for("lead", "override")
    assert [one["id"] for one in (await duty.ask("GET", "/v1/duty/overrides", "viewer")).json()["items"]] == [
        made.json()["id"]
    ]
    assert (await duty.ask("DELETE", path, "viewer")).status_code == 403
    for _ in range(2):
        assert (await duty.ask("DELETE", path, "duty")).status_code == 204
    await duty.wait_for("water", "default")
    assert (await duty.ask("GET", "/v1/duty/overrides", "viewer")).json()["items"] == []
    record = (await duty.ask("GET", path, "duty")).json()
    assert (record["madeBy"], record["withdrawnBy"]) == ("desk of duty", "desk of duty")
    assert record["note"] == "Swapped."
    assert record["withdrawnTime"] >= record["madeTime"]


async def test_note_and_author_of_an_override_are_for_the_role_duty(duty: Fixture) -> None:
    made = await duty.ask("POST", "/v1/duty/overrides", "duty", json=body(note="Ill."))
    seen = (await duty.ask("GET", made.headers["location"], "viewer")).json()
    assert (seen["note"], seen["madeBy"], seen["contactId"]) == (None, None, "lead")


async def test_the_last_created_override_applies(duty: Fixture) -> None:
    for contact in ("lead", "roads"):
        await duty.ask("POST", "/v1/duty/overrides", "duty", json=body(contact))
    await duty.wait_for("roads", "override")


async def test_an_unknown_override_is_a_problem(duty: Fixture) -> None:
    for method in ("GET", "DELETE"):
        response = await duty.ask(method, "/v1/duty/overrides/nothing", "duty")
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
