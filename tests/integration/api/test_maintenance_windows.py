"""Maintenance windows over the API: read, put by operators of what they cover, and all faults together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from storage.model.model_store import load_model
from storage.stores.tokens import create_token
from tests.integration.api.conftest import RunningApi, StartApi
from tests.integration.api.stored_city import StoredCity
from twin.model.role import Role

OPERATOR = {"Authorization": "Bearer sesame"}
PATH = "/v1/maintenance-windows/flushing"


def window(**changes: Any) -> dict[str, Any]:
    return {
        "title": "Flushing",
        "areas": ["city"],
        "start": "2026-11-03T22:00:00+01:00",
        "duration": "PT8H",
        "recurrence": {"rule": "FREQ=WEEKLY;BYDAY=TU"},
        **changes,
    }


@pytest.fixture
async def api(stored: StoredCity, kafka: str, start_api: StartApi) -> AsyncIterator[RunningApi]:
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        yield api


async def test_a_window_is_put_read_changed_and_deleted(api: RunningApi, stored: StoredCity) -> None:
    client = api.client
    assert (await client.get("/v1/maintenance-windows")).json()["items"] == []
    made = await client.put(PATH, json=window(), headers={**OPERATOR, "If-None-Match": "*"})
    assert (made.status_code, made.headers["ETag"], made.headers["Location"]) == (201, '"1"', PATH)
    read = await client.get(PATH, params={"occurrences": 2})
    assert (read.headers["ETag"], read.json()["changedBy"], read.json()["origin"]) == ('"1"', None, "api")
    assert read.json()["end"] == "2026-11-04T05:00:00Z"
    assert len(read.json()["occurrences"]) == 2

    # What was read may be sent back as it is, and is no new version.
    same = await client.put(PATH, json=read.json(), headers=OPERATOR)
    assert (same.status_code, same.headers["ETag"]) == (200, '"1"')
    refused = await client.put(PATH, json=window(), headers={**OPERATOR, "If-Match": '"7"'})
    assert (refused.status_code, "has version 1" in refused.json()["detail"]) == (412, True)
    longer = await client.put(PATH, json=window(duration="PT9H"), headers={**OPERATOR, "If-Match": '"1"'})
    assert (longer.status_code, longer.json()["version"]) == (200, 2)
    model = await load_model(stored.connection, stored.model.city.id)
    assert model.maintenance_windows["flushing"].version == 2

    async def listed(**query: str) -> list[str]:
        answer = await client.get("/v1/maintenance-windows", params=query)
        return [one["id"] for one in answer.json()["items"]]

    assert await listed(activeAt="2026-11-10T23:00:00Z", entity="city") == ["flushing"]
    assert await listed(activeAt="2026-11-11T23:00:00Z") == []
    assert (await client.get("/v1/maintenance-windows?entity=nowhere")).status_code == 400

    assert (await client.delete(PATH, headers={**OPERATOR, "If-Match": '"1"'})).status_code == 412
    assert (await client.delete(PATH, headers={**OPERATOR, "If-Match": '"2"'})).status_code == 204
    assert (await client.get(PATH)).status_code == 404
    assert (await client.delete(PATH, headers=OPERATOR)).status_code == 404


async def test_all_faults_of_a_window_are_listed_together(api: RunningApi) -> None:
    wrong = window(
        tittle="x",
        areas=["nowhere"],
        sensors=["none"],
        properties=["pm3"],
        end="2026-11-03T20:00:00Z",
        recurrence={"rule": "FREQ=HOURLY", "exdates": ["5 May"]},
    )
    answer = await api.client.put(PATH, json=wrong, headers=OPERATOR)
    assert answer.status_code == 400
    assert {one["name"] for one in answer.json()["errors"]} == {
        "/tittle",
        "/areas/0",
        "/sensors/0",
        "/properties/0",
        "/recurrence/exdates/0",
    }
    other = await api.client.put(PATH, json=window(id="other"), headers=OPERATOR)
    assert [one["name"] for one in other.json()["errors"]] == ["/id"]
    assert (await api.client.get("/v1/maintenance-windows")).json()["items"] == []


async def test_an_operator_in_areas_covers_only_what_lies_in_them(
    api: RunningApi, stored: StoredCity
) -> None:
    inside = next(one.id for one in stored.model.entities.values() if one.parent is not None)

    async def key(name: str, role: Role, *areas: str) -> dict[str, str]:
        token = await create_token(stored.connection, name, role, areas or None)
        await stored.connection.commit()
        return {"Authorization": f"Bearer {token}"}

    there, viewer = await key("there", "operator", inside), await key("desk", "viewer")
    assert (await api.client.put(PATH, json=window(areas=[inside]))).status_code == 401
    assert (await api.client.put(PATH, json=window(areas=[inside]), headers=viewer)).status_code == 403
    assert (await api.client.put(PATH, json=window(), headers=there)).status_code == 403
    assert (await api.client.put(PATH, json=window(areas=[inside]), headers=there)).status_code == 201
    # One of the whole city neither becomes theirs nor can be removed by them.
    await api.client.put(PATH, json=window(), headers=OPERATOR)
    assert (await api.client.put(PATH, json=window(areas=[inside]), headers=there)).status_code == 403
    assert (await api.client.delete(PATH, headers=there)).status_code == 403
    assert (await api.client.get(PATH, headers=viewer)).json()["changedBy"] == "operator"
