"""Anonymous clients cannot take the database, or the process, from operators."""

from __future__ import annotations

import asyncio
from typing import Any

from storage.database import Connection, connect
from tests.integration.api.stored_city import StoredCity

OPERATOR = {"Authorization": "Bearer sesame"}
DEADLINE_S = 20.0


async def waiting(connection: Connection) -> int:
    """Return how many queries wait for a lock."""
    cursor = await connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


async def test_an_operator_is_answered_while_anonymous_requests_hang_in_the_database(
    start_api: Any, kafka: str, stored: StoredCity
) -> None:
    async with (
        start_api(kafka, model=stored.model, database=stored.dsn) as api,
        await connect(stored.dsn, role="test") as holder,
    ):
        await holder.execute("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE")
        flood = [
            asyncio.create_task(
                # The api believes a proxy on its own machine: these are twenty clients.
                api.client.get("/v1/quarantine", headers={"X-Forwarded-For": f"203.0.113.{number}"})
            )
            for number in range(20)
        ]
        try:
            async with asyncio.timeout(DEADLINE_S):
                while await waiting(holder) < 2:  # noqa: ASYNC110 - the database has no event for it
                    await asyncio.sleep(0.01)
            for _ in range(5):
                answer = await api.client.get("/v1/notifications", headers=OPERATOR)
                assert answer.status_code == 200, answer.text
            assert await waiting(holder) == 2
        finally:
            await holder.rollback()
            answers = await asyncio.gather(*flood)
        assert {one.status_code for one in answers} <= {200, 503}
        assert [one.status_code for one in answers].count(200) >= 2
