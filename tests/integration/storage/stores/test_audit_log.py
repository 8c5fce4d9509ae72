"""The audit log in the database: its retention, its rights and its indexes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import errors

from storage.database import Connection, connect
from storage.maintenance.retention import remove_audit_records
from storage.stores.audit_log import AuditEntry, insert_audit_entry, mark_sent, read_audit_entries
from tests.integration.storage.test_query_indexes import indexes, plan_of
from tests.support.database.role_accounts import role_dsn
from tests.support.payloads.alarm_events import NOON
from twin.instant import MINUTE, to_datetime


def entry(number: int, *households: str) -> AuditEntry:
    return AuditEntry(
        NOON + number * MINUTE, f"key {number % 7}", "metering", "getState", "/v1/x", 200,
        households, (), bytes(16), None, bytes(8),
    )  # fmt: skip


@pytest.fixture
async def api(database: str) -> AsyncIterator[Connection]:
    async with await connect(role_dsn(database, "api"), role="test") as connection:
        yield connection


async def test_old_records_are_removed_in_portions(api: Connection, database: str) -> None:
    for number in range(5):
        await insert_audit_entry(api, entry(number))
    await api.commit()
    async with await connect(role_dsn(database, "historian"), role="test") as historian:
        assert await remove_audit_records(historian, NOON + 3 * MINUTE, 2) == 3
        assert await remove_audit_records(historian, NOON + 3 * MINUTE, 2) == 0
    kept = await read_audit_entries(api, before=None, limit=9)
    assert [one.entry for one in kept] == [entry(4), entry(3)]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit_record", "UPDATE audit_record SET households = '{}'"]
)
async def test_the_api_cannot_change_what_is_recorded(api: Connection, statement: Any) -> None:
    await insert_audit_entry(api, entry(0, "city.house"))
    ((id, _, _),) = await read_audit_entries(api, before=None, limit=9)
    await mark_sent(api, [id], NOON)
    await api.commit()
    with pytest.raises(errors.InsufficientPrivilege):
        await api.execute(statement)


@pytest.mark.parametrize(
    ("name", "parameters", "index"),
    [
        (
            "stores/audit/list_audit_records",
            {
                **dict.fromkeys(("principals", "operations", "households", "start", "end")),
                "before_time": to_datetime(NOON),
                "before_id": 7,
                "limit": 20,
            },
            "audit_record_newest",
        ),
        ("stores/audit/take_unsent_readings", {"limit": 20}, "audit_record_is_unsent"),
        (
            "maintenance/removal/remove_audit_records",
            {"end": to_datetime(NOON + MINUTE), "limit": 20},
            "audit_record_newest",
        ),
    ],
)
async def test_statements_use_their_index(
    database: str, name: str, parameters: dict[str, Any], index: str
) -> None:
    async with await connect(database, role="test") as connection:
        for number in range(3_000):
            await insert_audit_entry(connection, entry(number, *(["city.house"] if number % 50 == 0 else [])))
        await connection.execute("ANALYZE")
        assert index in indexes(await plan_of(connection, name, parameters))
