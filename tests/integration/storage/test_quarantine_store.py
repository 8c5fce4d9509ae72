"""The list of quarantined messages: newest first, page by page, narrowed by feed and reason."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from storage.database import Connection, connect
from storage.quarantine_store import QuarantinedRow, quarantined
from storage.quarantine_writer import write_quarantined
from twin.messages import VERSION, QuarantinedMessage
from twin.plausibility import Reason

FEEDS = ("ttn", "dsmr", "")
REASONS = (Reason.MALFORMED, Reason.CHECKSUM)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    messages = [
        # Two messages share each time: the id then decides.
        QuarantinedMessage(
            VERSION,
            f"id{n:02}",
            FEEDS[n % 3],
            "a/b",
            1_000_000 * (n // 2),
            REASONS[n % 2],
            "why",
            b"\xff",
            1,
            "s",
        )
        for n in range(12)
    ]
    async with await connect(database, role="test") as connection:
        async with connection.transaction():
            await write_quarantined(connection, messages)
            await write_quarantined(connection, messages[:3])
        yield connection


async def all_pages(connection: Connection, **filters: str) -> list[QuarantinedRow]:
    found: list[QuarantinedRow] = []
    before = None
    while page := await quarantined(connection, before=before, limit=5, **filters):
        found += page
        before = page[-1].cursor
    return found


async def test_pages_are_newest_first_without_loss_or_repetition(connection: Connection) -> None:
    found = await all_pages(connection)
    assert [one.id for one in found] == [f"id{n:02}" for n in reversed(range(12))]
    assert found[0] == QuarantinedRow("id11", "", "a/b", 5_000_000, "checksum", "why", b"\xff", 1, "s")


async def test_feed_and_reason_narrow_the_list(connection: Connection) -> None:
    assert [one.id for one in await all_pages(connection, feed="")] == ["id11", "id08", "id05", "id02"]
    both = await all_pages(connection, feed="dsmr", reason="malformed")
    assert [one.id for one in both] == ["id10", "id04"]


async def test_a_limit_beyond_reason_is_cut(connection: Connection) -> None:
    assert len(await quarantined(connection, before=None, limit=10**9)) == 12
    assert await quarantined(connection, before=None, limit=0) == []
