"""Back-tests by the API and by the command, over history that the historian stored."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.kafka import topics
from storage.stores.tokens import create_token
from tests.integration.api.conftest import ENTITIES, RunningApi, StartApi
from tests.integration.api.stored_city import StoredCity, store_records
from twin.instant import MINUTE, SECOND, Instant, format_instant
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS, ObservationBatch

OPERATOR = {"Authorization": "Bearer sesame"}
PATH = "/v1/rules/_backtest"
START: Instant = 1_767_560_400_000_000  # Sunday 4 January 2026, 21:00 UTC: 22:00 in the city
ENTITY = ENTITIES[0]
VALUES = [20, 60, 61, 20, 20, 95, 95, 20, 70, 20, 20]


def at(place: int) -> str:
    return format_instant(START + place * 10 * MINUTE)


def rule(**changes: Any) -> dict[str, Any]:
    return {
        "id": "bad-air",
        "title": {"en": "Bad air", "nl": "Vuile lucht"},
        "theme": "environment",
        "select": {"within": ["city"]},
        "when": {"value": "pm2_5", "above": {"minor": 50, "major": 90}, "deadband": 5},
        **changes,
    }


def request(tested: object, **changes: Any) -> dict[str, Any]:
    return {"rule": tested, "start": at(0), "end": at(len(VALUES)), **changes}


@pytest.fixture
async def past(stored: StoredCity, kafka: str, start_api: StartApi) -> AsyncIterator[RunningApi]:
    """A city with two hours of history, including a household, and a rule in force."""
    found = tuple(
        Observation(id, START + place * 10 * MINUTE, START + place * 10 * MINUTE + SECOND, float(value))
        for place, value in enumerate(VALUES)
        for id in (stored.datastream(ENTITY), stored.datastream(ENTITIES[-1]))
    )
    batch = ObservationBatch(LAYOUT_VERSION, found, START)
    await store_records(stored, (topics.OBSERVATIONS, 0, OBSERVATIONS.encode(batch)))
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        answer = await api.client.put("/v1/rules/bad-air", json=rule(), headers=OPERATOR)
        assert answer.status_code == 201
        yield api


async def test_a_rule_is_tested_against_history_and_the_rule_in_force(past: RunningApi) -> None:
    body = request(rule(onDelay="PT10M"), severity="major")
    answer = await past.client.post(PATH, json=body, headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["rule"] == {"id": "bad-air", "version": None}
    # The household is none of them: its readings are personal data, and have no value of their own.
    assert found["entities"] == len(ENTITIES) - 1
    sentences = [
        (firing["entityId"], firing["raisedTime"], firing["returnedTime"], firing["severity"], firing["peak"])
        for firing in found["firings"]
    ]
    assert sentences == [(ENTITY, at(2), at(3), "minor", 61.0), (ENTITY, at(6), at(7), "major", 95.0)]
    assert found["firings"][0]["sentence"]["nl"].startswith("Vuile lucht, ")
    assert found["perEntity"] == [{"entityId": ENTITY, "firings": 2, "active": "PT20M", "longest": "PT10M"}]
    assert found["notificationsPerNight"]["byNight"] == [{"evening": "2026-01-04", "count": 1}]
    assert found["notifications"]["bySeverity"]["minor"] == 1
    difference = found["difference"]
    assert difference["comparedWith"] == {"id": "bad-air", "version": 1}
    assert (difference["firingCount"], difference["unchangedCount"]) == (3, 0)
    assert [one["raisedTime"] for one in difference["removed"]] == [at(8)]
    assert [(one["before"]["raisedTime"], one["after"]["raisedTime"]) for one in difference["changed"]] == [
        (at(1), at(2)),
        (at(5), at(6)),
    ]
    assert difference["addedCount"] == 0


async def test_a_rule_in_force_is_compared_with_an_earlier_version(past: RunningApi) -> None:
    strict = rule(when={"value": "pm2_5", "above": {"minor": 65}, "deadband": 5})
    assert (await past.client.put("/v1/rules/bad-air", json=strict, headers=OPERATOR)).status_code == 200
    answer = await past.client.post(PATH, json=request("bad-air", compareWith=1, limit=1), headers=OPERATOR)
    found = answer.json()
    assert (found["rule"]["version"], found["firingCount"], len(found["firings"])) == (2, 2, 1)
    assert found["difference"]["comparedWith"]["version"] == 1
    assert found["difference"]["removedCount"] == 1
    same = (await past.client.post(PATH, json=request("bad-air"), headers=OPERATOR)).json()["difference"]
    assert (same["unchangedCount"], same["changedCount"], same["comparedWith"]["version"]) == (2, 0, 2)
    other = (await past.client.post(PATH, json=request(rule(id="new")), headers=OPERATOR)).json()
    assert other["difference"] is None
    # Nothing of this has made, or changed, a rule.
    assert [one["id"] for one in (await past.client.get("/v1/rules")).json()["items"]] == ["bad-air"]


async def test_an_invalid_back_test_is_a_problem_and_only_operators_run_one(
    past: RunningApi, stored: StoredCity
) -> None:
    for body, text in (
        (request("none"), "the city has no rule 'none'"),
        (request("bad-air", compareWith=7), "has no version 7"),
        (request("bad-air", start="2026-01-05"), "RFC 3339"),
        (request("bad-air", end=at(0)), "expected an end after its start"),
        (request("bad-air", start="2020-01-01T00:00:00Z"), "at most 366 days"),
        (request(rule(onDelay="soon", when={"value": "pm99"})), "/rule/onDelay"),
    ):
        answer = await past.client.post(PATH, json=body, headers=OPERATOR)
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert text in answer.text
    viewer = await create_token(stored.connection, "hall", "viewer")
    await stored.connection.commit()
    assert (await past.client.post(PATH, json=request("bad-air"))).status_code == 401
    headers = {"Authorization": f"Bearer {viewer}"}
    assert (await past.client.post(PATH, json=request("bad-air"), headers=headers)).status_code == 403


async def test_the_command_prints_the_document_of_the_api(
    past: RunningApi, stored: StoredCity, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"rules": [rule(onDelay="PT10M"), rule(id="other")]}))
    span = f"--start={at(0)}", f"--end={at(len(VALUES))}"
    code, out, err = await command(stored.dsn, str(file), "--id=bad-air", *span, "--json")
    assert (code, err) == (0, "")
    answer = await past.client.post(PATH, json=request(rule(onDelay="PT10M")), headers=OPERATOR)
    assert json.loads(out) == answer.json()

    code, out, err = await command(stored.dsn, "bad-air", *span)
    assert (code, err) == (0, "")
    assert out.startswith("bad-air version 1 on 7 entities")
    assert f"  {at(5):<22}{at(7):<22}major " in out
    assert "0 added, 0 removed, 0 changed, 3 unchanged" in out

    code, out, err = await command(stored.dsn, "none", *span)
    assert (code, out) == (1, "")
    assert err.startswith("error: the city has no rule 'none'")
    code, out, err = await command(stored.dsn, str(file), *span)
    assert (code, err) == (1, f"{file}:1: rules: found 2 rules, expected one, or an id that says which\n")
    code, out, err = await command(stored.dsn, "bad-air", "--start=yesterday", f"--end={at(1)}")
    assert code == 2


async def command(database: str, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", "backtest"),
        *arguments,
        env={**os.environ, "LIVETWIN_DATABASE": database, "LIVETWIN_CITY": "city"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()
