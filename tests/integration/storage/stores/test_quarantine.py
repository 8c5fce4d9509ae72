"""Quarantined messages are listed newest first, in pages, filtered by feed and reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from storage.database import Connection, connect
from storage.historian.writers.quarantine_writer import write_quarantined
from storage.stores.quarantine import QuarantinedRow, read_quarantined
from twin.quality.plausibility import QuarantineReason
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import QuarantinedMessage

FEEDS = ("ttn", "dsmr", "")
REASONS = (QuarantineReason.MALFORMED, QuarantineReason.CHECKSUM)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    messages = [
        # Two messages have each time: their ids decide the order.
        QuarantinedMessage(
            LAYOUT_VERSION,
            f"id{n:02}",
            FEEDS[n % 3],
            "a/b",
            1_000_000 * (n // 2),
            REASONS[n % 2],
            "why",
            b"\xff",
            1,
            "s",
            "run",
            n,
            2,
            f"d{n % 4}",
            "json",
            3,
        )
        for n in range(12)
    ]
    async with await connect(database, role="test") as connection:
        async with connection.transaction():
            await write_quarantined(connection, messages)
            await write_quarantined(connection, messages[:3])
        yield connection


async def all_pages(connection: Connection, **filters: Any) -> list[QuarantinedRow]:
    found: list[QuarantinedRow] = []
    before = None
    while page := await read_quarantined(connection, before=before, limit=5, **filters):
        found += page
        before = page[-1].cursor
    return found


async def test_pages_are_newest_first_without_loss_or_repetition(connection: Connection) -> None:
    found = await all_pages(connection)
    assert [one.id for one in found] == [f"id{n:02}" for n in reversed(range(12))]
    assert found[0] == QuarantinedRow(
        *("id11", "", "a/b", 5_000_000, "checksum", "why", 1, 1, "s"),
        *("d3", "json", 3, 2, 0, None, None),
    )


async def test_feed_and_reason_filter_the_list(connection: Connection) -> None:
    assert [one.id for one in await all_pages(connection, feed="")] == ["id11", "id08", "id05", "id02"]
    both = await all_pages(connection, feed="dsmr", reason="malformed")
    assert [one.id for one in both] == ["id10", "id04"]


async def test_resolved_messages_can_be_excluded(connection: Connection) -> None:
    resolve = "UPDATE quarantine SET resolved_at = received_time WHERE device = 'd3' AND feed = ''"
    await connection.execute(resolve)
    (row,) = await all_pages(connection, resolved=True)
    assert (row.id, row.resolved_at) == ("id11", 5_000_000)
    assert len(await all_pages(connection, resolved=False)) == 11
    assert [one.id for one in await all_pages(connection, device="d3", resolved=False)] == ["id07", "id03"]


async def test_a_too_large_limit_is_reduced(connection: Connection) -> None:
    assert len(await read_quarantined(connection, before=None, limit=10**9)) == 12
    assert await read_quarantined(connection, before=None, limit=0) == []
