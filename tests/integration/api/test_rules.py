"""Rules over the API: read, changed by operators, with all versions kept and all faults listed together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import connect
from storage.model.model_source import ModelSource
from storage.stores.tokens import create_token
from tests.integration.api.conftest import RunningApi, StartApi
from tests.integration.api.stored_city import StoredCity

OPERATOR = {"Authorization": "Bearer sesame"}
PATH = "/v1/rules/bad-air"


def rule(**changes: Any) -> dict[str, Any]:
    return {
        "id": "bad-air",
        "title": {"en": "Bad air", "nl": "Vuile lucht"},
        "theme": "environment",
        "select": {"within": ["city"]},
        "when": {"value": "pm2_5", "over": "PT1H", "above": {"minor": 50, "major": 90}, "deadband": 5},
        "onDelay": "PT1H",
        **changes,
    }


@pytest.fixture
async def ruled(stored: StoredCity, kafka: str, start_api: StartApi) -> AsyncIterator[RunningApi]:
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        yield api


async def test_a_rule_is_created_read_changed_and_deleted(ruled: RunningApi) -> None:
    client = ruled.client
    assert (await client.get("/v1/rules")).json()["items"] == []
    made = await client.put(PATH, json=rule(), headers=OPERATOR)
    assert (made.status_code, made.headers["ETag"], made.headers["Location"]) == (201, '"1"', PATH)
    read = await client.get(PATH)
    assert read.json() == {**made.json(), "changedBy": None}
    assert read.headers["ETag"] == '"1"'
    assert read.json()["when"]["clear"] == {"minor": 45, "major": 85}
    assert (read.json()["version"], read.json()["origin"]) == (1, "api")

    # What was read may be sent back as it is, and is no new version.
    same = await client.put(PATH, json=read.json(), headers=OPERATOR)
    assert (same.status_code, same.headers["ETag"]) == (200, '"1"')
    changed = await client.put(PATH, json=rule(onDelay="PT2H"), headers={**OPERATOR, "If-Match": '"1"'})
    assert (changed.status_code, changed.json()["onDelay"], changed.json()["version"]) == (200, "PT2H", 2)

    assert (await client.delete(PATH, headers={**OPERATOR, "If-Match": '"2"'})).status_code == 204
    assert (await client.get(PATH)).status_code == 404
    assert (await client.delete(PATH, headers=OPERATOR)).status_code == 404
    versions = (await client.get(f"{PATH}/versions", headers=OPERATOR)).json()["items"]
    document = [
        (one["version"], one["deleted"], one["rule"]["onDelay"], one["changedBy"]) for one in versions
    ]
    assert document == [
        (3, True, "PT2H", "operator"),
        (2, False, "PT2H", "operator"),
        (1, False, "PT1H", "operator"),
    ]


async def test_all_faults_of_a_rule_are_listed_together(ruled: RunningApi) -> None:
    wrong = rule(
        thme="water",
        title={"en": "High water\r\nBcc: all@example.org", "nl": "Hoog water"},
        select={"entities": ["city.99"]},
        when={"value": "pm2_5", "unit": "kW", "above": {"minor": 50, "major": 40}, "times": "often"},
    )
    answer = await ruled.client.put(PATH, json=wrong, headers=OPERATOR)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    found = {(one["in"], one["name"]) for one in answer.json()["errors"]}
    assert found == {
        ("body", "/thme"),
        ("body", "/title/en"),
        ("body", "/select/entities/0"),
        ("body", "/when/unit"),
        ("body", "/when/above/major"),
        ("body", "/when/times"),
    }
    for body in (b"[]", b"{", b""):
        assert (await ruled.client.put(PATH, content=body, headers=OPERATOR)).status_code == 400
    other = await ruled.client.put(PATH, json=rule(id="other"), headers=OPERATOR)
    assert [one["name"] for one in other.json()["errors"]] == ["/id"]
    assert (await ruled.client.get("/v1/rules")).json()["items"] == []


async def test_only_operators_change_rules(ruled: RunningApi, stored: StoredCity) -> None:
    viewer = {"Authorization": f"Bearer {await create_token(stored.connection, 'desk', 'viewer')}"}
    await stored.connection.commit()
    assert (await ruled.client.put(PATH, json=rule())).status_code == 401
    assert (await ruled.client.put(PATH, json=rule(), headers=viewer)).status_code == 403
    assert (await ruled.client.delete(PATH, headers=viewer)).status_code == 403
    await ruled.client.put(PATH, json=rule(), headers=OPERATOR)
    assert (await ruled.client.get(PATH)).json()["changedBy"] is None
    assert (await ruled.client.get(PATH, headers=viewer)).json()["changedBy"] == "operator"


async def test_a_change_of_an_old_version_is_refused(ruled: RunningApi) -> None:
    client = ruled.client
    await client.put(PATH, json=rule(), headers=OPERATOR)
    for condition in ({"If-Match": '"7"'}, {"If-None-Match": "*"}):
        refused = await client.put(PATH, json=rule(onDelay="PT3H"), headers={**OPERATOR, **condition})
        assert refused.status_code == 412
        assert "has version 1" in refused.json()["detail"]
    assert (await client.delete(PATH, headers={**OPERATOR, "If-Match": '"7"'})).status_code == 412
    odd = await client.put(PATH, json=rule(), headers={**OPERATOR, "If-Match": "W/1"})
    assert (odd.status_code, odd.json()["errors"][0]["name"]) == (400, "If-Match")
    assert (await client.get(PATH)).json()["version"] == 1


async def test_rules_and_versions_come_in_pages(ruled: RunningApi) -> None:
    client = ruled.client
    for id in ("c", "a", "b"):
        await client.put(f"/v1/rules/{id}", json=rule(id=id), headers=OPERATOR)
    for number in range(3):
        await client.put("/v1/rules/a", json=rule(id="a", onDelay=f"PT{number + 2}H"), headers=OPERATOR)
    for path, key, wanted in (
        ("/v1/rules?limit=2", "id", ["a", "b", "c"]),
        ("/v1/rules/a/versions?limit=3", "version", [4, 3, 2, 1]),
    ):
        found: list[Any] = []
        following: str | None = path
        while following is not None:
            page = (await client.get(following)).json()
            found += [one[key] for one in page["items"]]
            following = page["_links"].get("next", {}).get("href")
        assert found == wanted
    assert (await client.get("/v1/rules?theme=water")).json()["items"] == []
    assert (await client.get("/v1/rules/none/versions")).status_code == 404


async def test_without_the_database_the_rules_are_those_of_the_model(
    stored: StoredCity, kafka: str, start_api: StartApi, tmp_path: Path
) -> None:
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        await api.client.put(PATH, json=rule(), headers=OPERATOR)
    model = await ModelSource(stored.dsn, "city", tmp_path).load()
    async with start_api(kafka, model=model) as api:
        document = (await api.client.get(PATH)).json()
        assert (document["version"], document["changedTime"], document["onDelay"]) == (1, None, "PT1H")
        assert len((await api.client.get("/v1/rules")).json()["items"]) == 1
        assert (await api.client.put(PATH, json=rule(), headers=OPERATOR)).status_code == 503


async def test_a_changed_rule_reaches_every_role_with_the_model(
    ruled: RunningApi, stored: StoredCity, tmp_path: Path
) -> None:
    source = ModelSource(stored.dsn, "city", tmp_path)
    before = await source.load()
    watching = source.watch()
    newer = asyncio.ensure_future(anext(watching))
    await ruled.client.put(PATH, json=rule(), headers=OPERATOR)
    async with asyncio.timeout(20):
        model = await newer
    await watching.aclose()
    assert model.version > before.version
    assert set(model.rules) == {"bad-air"}
    async with await connect(stored.dsn, role="test") as connection:
        cursor = await connection.execute(
            "SELECT action, difference->'by'->>1 FROM model_change WHERE kind = 'rule'"
        )
        assert await cursor.fetchall() == [("create", "operator")]
