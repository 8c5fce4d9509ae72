"""What counts as work that storage still has to do, before stored histories are compared."""

from __future__ import annotations

from benchmarks.measure.settled import open_repairs
from storage.database import connect
from storage.maintenance.changed_series import note_changed_series
from twin.instant import parse_instant


async def test_changed_series_whose_alarms_have_no_request_yet_are_open(database: str) -> None:
    """A comparison between the change and the request found alarms as they were before the repair."""
    async with await connect(database, role="test") as connection:
        assert await open_repairs(connection) == 0
        async with connection.transaction():
            await note_changed_series(
                connection, [("canal", "water_level")], parse_instant("2026-11-28T00:00:00Z")
            )
        assert await open_repairs(connection) == 1


async def test_repaired_windows_that_the_stream_does_not_know_yet_are_open(database: str) -> None:
    async with await connect(database, role="test") as connection:
        async with connection.transaction():
            await connection.execute("INSERT INTO repaired_window VALUES (1, 3600000000, now())")
        assert await open_repairs(connection) == 1
