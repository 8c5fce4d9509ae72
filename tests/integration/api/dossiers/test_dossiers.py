"""Dossiers over HTTP: who may have one, what the answer says, and the register of those that were given."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli.dossier.verification import verify_dossier
from runtime.signing_key import create_key_file
from storage.database import connect
from storage.stores.dossier_register import read_issued_dossiers
from storage.stores.tokens import create_token
from tests.support.pipelines.alarm_dossiers import ALARM, StoredCloudburst, stored_cloudburst
from twin.dossier.dossier_file import MANIFEST, unpack
from twin.instant import MINUTE, format_instant

OPERATOR = {"Authorization": "Bearer sesame"}
PATH = f"/v1/alarms/{ALARM}/dossier"


@pytest_asyncio.fixture
async def cloudburst(database: str) -> AsyncIterator[StoredCloudburst]:
    async with stored_cloudburst(database) as stored:
        await stored.advance(65 * MINUTE)
        yield stored


def options(cloudburst: StoredCloudburst, **more: Any) -> dict[str, Any]:
    return {
        "model": cloudburst.run.model,
        "database": cloudburst.database,
        "city": "alkmaar",
        "partitions": cloudburst.run.pipeline.partitions,
        **more,
    }


@pytest.fixture
def pem(tmp_path: Path) -> str:
    create_key_file(tmp_path / "dossier.key")
    return (tmp_path / "dossier.key").read_text()


async def test_an_operator_gets_a_dossier_that_the_published_key_verifies(
    start_api: Any, kafka: str, cloudburst: StoredCloudburst, pem: str
) -> None:
    async with start_api(kafka, **options(cloudburst, dossier_key=pem)) as api:
        at = format_instant(cloudburst.now)
        answer = await api.client.get(PATH, params={"at": at}, headers=OPERATOR)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["cache-control"] == "no-store"
        digest = hashlib.sha256(answer.content)
        assert answer.headers["etag"] == f'"{digest.hexdigest()}"'
        keys = (await api.client.get("/.well-known/jwks.json")).json()["keys"]
        verification = verify_dossier(answer.content, {one["kid"] for one in keys})
        assert verification.faults == []
        again = await api.client.get(PATH, params={"at": at, "occurrence": 1}, headers=OPERATOR)
        assert again.content == answer.content

        # Nothing else is asked of the clock: without an instant it is that of half a minute ago.
        latest = await api.client.get(PATH, headers=OPERATOR)
        assert b'"at"' in unpack(latest.content)[MANIFEST]

    async with await connect(cloudburst.database, role="test") as connection:
        issued = await read_issued_dossiers(connection, ALARM, 10)
    assert len(issued) == 3
    assert (issued[-1].sha256, issued[-1].known_at) == (digest.digest(), cloudburst.now)
    assert issued[-1].issued_to


async def test_others_get_no_dossier_and_a_fault_says_what_to_do(
    start_api: Any, kafka: str, cloudburst: StoredCloudburst, pem: str
) -> None:
    async with await connect(cloudburst.database, role="test") as connection:
        viewer = await create_token(connection, "wall screen", "viewer")
        metering = await create_token(connection, "energy team", "metering")
    async with start_api(kafka, **options(cloudburst, dossier_key=pem)) as api:

        async def status(path: str = PATH, key: str | None = "sesame") -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
            answer = await api.client.get(path, headers=headers)
            return answer.status_code, answer.text

        assert (await status(key=None))[0] == 401
        for key in (viewer, metering):
            code, text = await status(key=key)
            assert code == 403, text
        code, text = await status("/v1/alarms/high-water~nowhere/dossier")
        assert code == 404
        code, text = await status(f"{PATH}?occurrence=7")
        assert (code, "occurrence 7" in text) == (404, True)
        code, text = await status(f"{PATH}?at=2100-01-01T00:00:00Z")
        assert (code, "30 s ago" in text) == (400, True)
        await api.context.dossier_slots.acquire()
        await api.context.dossier_slots.acquire()
        code, text = await status()
        assert (code, "ask again" in text) == (503, True)
    async with await connect(cloudburst.database, role="test") as connection:
        assert await read_issued_dossiers(connection, ALARM, 10) == []


async def test_without_a_key_no_dossier_is_made(
    start_api: Any, kafka: str, cloudburst: StoredCloudburst
) -> None:
    async with start_api(kafka, **options(cloudburst)) as api:
        answer = await api.client.get(PATH, headers=OPERATOR)
        assert (answer.status_code, "livetwin dossier key" in answer.text) == (503, True)
        assert (await api.client.get("/.well-known/jwks.json")).json() == {"keys": []}
