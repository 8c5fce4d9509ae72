"""Requests to compute again: what a change of a calibration or of maintenance touches.

Written in the transaction that changes the model, so that none is lost; a worker takes them up.
"""

from __future__ import annotations

from collections.abc import Iterable

from storage.database import Connection
from storage.model.model_rows import CALIBRATION_TABLE, MAINTENANCE_TABLE, ModelRow, RowChange
from storage.queries import query


async def insert_recompute_requests(connection: Connection, changes: Iterable[RowChange]) -> None:
    """Write one request for each change that makes stored values, or their quality, other ones."""
    requests = [
        _affected_range(one) for one in changes if one.table in (CALIBRATION_TABLE, MAINTENANCE_TABLE)
    ]
    if requests:
        async with connection.cursor() as cursor:
            await cursor.executemany(query("model/request_recompute"), requests)


def _affected_range(change: RowChange) -> ModelRow:
    """Return what a change touches: the time in which either the old row or the new one is in force."""
    row = change.row
    before = change.difference.get("end", (row["end"],))[0] if change.action == "update" else row["end"]
    ends = (before, row["end"])
    return {
        "sensor": row["sensor"],
        "property": row.get("property"),
        "start": row["start"],
        "end": None if None in ends else max(ends),
    }
