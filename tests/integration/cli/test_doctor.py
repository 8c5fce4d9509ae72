"""`livetwin doctor` reports how far a new computation of the history is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cli.commands.doctor import DoctorFinding, check_recomputes
from storage.database import Connection, connect
from storage.model.model_store import apply_plan
from tests.support.cities.canal_city import canal_plan
from twin.errors import ServiceError


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, canal_plan())
        yield connection


async def execute(connection: Connection, statement: str) -> None:
    async with connection.transaction():
        await connection.execute(statement)


async def test_the_progress_of_open_requests_is_reported(connection: Connection, database: str) -> None:
    assert await check_recomputes(database) == []
    await execute(
        connection,
        "INSERT INTO recompute_request "
        "(sensor_id, property, start, reason, requested_at, began, until, done_at) VALUES "
        "('s1', 'water_level', '2026-01-02Z', 'quality', '2026-01-09Z', '2026-01-01Z', '2026-01-05Z', NULL), "
        "('s2', 'water_level', '2026-01-01Z', 'quality', '2026-01-09Z', NULL, NULL, '2026-01-09Z'), "
        "('s2', NULL, '2026-01-01Z', 'correction', '2026-01-08Z', NULL, NULL, NULL), "
        "('s2', NULL, '2026-01-01Z', 'correction', '2026-01-07Z', NULL, NULL, '2026-01-07Z')",
    )
    assert await check_recomputes(database) == [
        DoctorFinding(
            True,
            "history is computed again, 62 %: water_level of 2 sensors (1 finished), "
            "quality since 2026-01-09T00:00:00Z",
        ),
        DoctorFinding(
            True,
            "history is computed again, 0 %: everything of 1 sensor (0 finished), "
            "correction since 2026-01-08T00:00:00Z",
        ),
    ]


async def test_a_database_without_our_tables_needs_migrations(connection: Connection, database: str) -> None:
    await execute(connection, "DROP TABLE recompute_request")
    with pytest.raises(ServiceError, match="livetwin migrate"):
        await check_recomputes(database)
