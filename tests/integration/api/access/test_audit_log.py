"""The audit log in a real database, and what a collector of processing logs gets of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from api.audit.processing_log import ProcessingLog
from api.http.problems import ProblemError
from runtime.telemetry.processing_record import ProcessingRecord
from storage.database import connect
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity
from tests.support.receivers.trace_collector import trace_collector
from twin.model.role import GRANTABLE_ROLES

DEADLINE_S = 20.0
HOUSE = "city.7"
ACTIVITY = "https://register.city.example/activities/energy"


@pytest.fixture
async def keys(stored: StoredCity) -> dict[str, dict[str, str]]:
    """The header of a key of each role."""
    async with await connect(stored.dsn, role="test") as connection:
        return {
            role: {"Authorization": f"Bearer {await create_token(connection, f'of {role}', role)}"}
            for role in GRANTABLE_ROLES
        }


@pytest.fixture
async def client(
    start_api: Any, kafka: str, log: Any, stored: StoredCity
) -> AsyncIterator[httpx.AsyncClient]:
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        await log.write_updates("city.1", HOUSE)
        await api.shows(2)
        yield api.client


async def records(
    client: httpx.AsyncClient, keys: dict[str, dict[str, str]], **query: str
) -> list[dict[str, Any]]:
    response = await client.get("/v1/audit-records", params=query, headers=keys["admin"])
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_each_way_to_read_a_household_is_recorded(
    client: httpx.AsyncClient, stored: StoredCity, keys: dict[str, dict[str, str]]
) -> None:
    datastream = stored.datastream(HOUSE)
    read = {
        "getState": f"/v1/entities/{HOUSE}/state",
        "getHistory": f"/v1/entities/{HOUSE}/history?property=pm2_5",
        "listObservations": f"/v1/datastreams/{datastream}/observations",
        "downloadObservations": f"/v1/observations?entity={HOUSE}",
        "getProvenance": f"/v1/entities/{HOUSE}/provenance?property=pm2_5",
    }
    for path in read.values():
        assert (await client.get(path, headers=keys["metering"])).status_code == 200, path
        # Nobody else reads it, so there is nothing to record.
        await client.get(path, headers=keys["admin"])
    found = await records(client, keys, household=HOUSE)
    document = (await client.get("/v1/openapi.json")).json()
    operations = {
        operation["operationId"] for item in document["paths"].values() for operation in item.values()
    }
    assert {one["operation"] for one in found} <= operations
    assert sorted(one["target"] for one in found) == sorted(read.values())
    assert {(one["principal"], one["role"], one["status"]) for one in found} == {
        ("of metering", "metering", 200)
    }
    assert all(one["households"] == [HOUSE] and one["sentTime"] is None for one in found)


async def test_changes_are_listed_by_page_and_filter(
    client: httpx.AsyncClient, keys: dict[str, dict[str, str]]
) -> None:
    body = {"url": "https://hooks.example/twin"}
    for role in ("operator", "admin"):
        for _ in range(2):
            made = await client.post("/v1/subscriptions", json=body, headers=keys[role])
            assert made.status_code == 201
    refused = await client.post("/v1/subscriptions", json={"url": 1}, headers=keys["admin"])
    assert refused.status_code == 400
    found = await records(client, keys)
    assert [(one["principal"], one["operation"]) for one in found] == [
        ("of admin", "createSubscription"),
        ("of admin", "createSubscription"),
        ("of operator", "createSubscription"),
        ("of operator", "createSubscription"),
    ]
    assert await records(client, keys, principal="of operator") == found[2:]
    assert await records(client, keys, operation="deleteSubscription") == []
    assert await records(client, keys, start=found[1]["time"], end=found[0]["time"]) == found[1:2]
    first = await client.get("/v1/audit-records?limit=3", headers=keys["admin"])
    following = await client.get(first.json()["_links"]["next"]["href"], headers=keys["admin"])
    assert [*first.json()["items"], *following.json()["items"]] == found


async def test_a_collector_gets_each_reading_once_with_a_span_for_each_household(
    start_api: Any, kafka: str, log: Any, stored: StoredCity, keys: dict[str, dict[str, str]]
) -> None:
    trace = 0x4BF92F3577B34DA6A3CE929D0E0E4736
    headers = {**keys["metering"], "traceparent": f"00-{trace:032x}-00f067aa0ba902b7-01"}
    with trace_collector() as collector:
        settings = {"processing_log": f"{collector.endpoint}/v1/traces", "processing_activity": ACTIVITY}
        async with start_api(kafka, model=stored.model, database=stored.dsn, **settings) as api:
            await log.write_updates(HOUSE)
            await api.shows(1)
            assert (await api.client.get(f"/v1/entities/{HOUSE}/state", headers=headers)).status_code == 200
            async with asyncio.timeout(DEADLINE_S):
                # There is no event for it.
                while not [one for one in await records(api.client, keys) if one["sentTime"]]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        spans = collector.spans_of(trace)
    reading, of_house = sorted(spans, key=lambda one: len(one.attributes))
    assert reading.parent == 0x00F067AA0BA902B7
    assert reading.attributes == {"dpl.core.processing_activity_id": ACTIVITY}
    assert of_house.parent == reading.span
    assert of_house.attributes == {
        "dpl.core.processing_activity_id": ACTIVITY,
        "dpl.core.data_subject_id": HOUSE,
        "dpl.core.data_subject_id_type": "entity",
    }


class Collector:
    """A collector that confirms what it gets, or does not."""

    def __init__(self) -> None:
        self.confirms = False
        self.got: list[list[ProcessingRecord]] = []

    def send(self, records: Sequence[ProcessingRecord]) -> bool:
        self.got.append(list(records))
        return self.confirms

    def close(self) -> None:
        return


async def test_what_a_collector_does_not_confirm_is_sent_again_as_it_was(
    start_api: Any, kafka: str, log: Any, stored: StoredCity, keys: dict[str, dict[str, str]]
) -> None:
    collector = Collector()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        await log.write_updates(HOUSE)
        await api.shows(1)
        for _ in range(2):
            await api.client.get(f"/v1/entities/{HOUSE}/state", headers=keys["metering"])
        await api.client.post("/v1/subscriptions", json={"url": "https://a.example"}, headers=keys["admin"])
        sending = ProcessingLog(api.context.database, collector, api.context.clock, api.context.metrics)
        with pytest.raises(ProblemError, match="did not confirm"):
            await sending.send_batch()
        assert [one["sentTime"] for one in await records(api.client, keys)] == [None] * 3
        collector.confirms = True
        for _ in range(2):
            assert not await sending.send_batch()
        sent = [one["operation"] for one in await records(api.client, keys) if one["sentTime"]]
    assert sent == ["getState"] * 2
    assert len(collector.got) == 2
    assert collector.got[0] == collector.got[1]
    assert [one.subjects for one in collector.got[0]] == [(HOUSE,)] * 2
