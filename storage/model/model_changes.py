"""Reads what changed the model to a version, from its audit."""

from __future__ import annotations

from typing import NamedTuple

from storage.database import Connection
from storage.model.model_rows import ChangeAction
from storage.queries import query
from twin.instant import Instant, from_datetime


class CountedChanges(NamedTuple):
    """How many rows of a kind an apply created, updated, retired or revived."""

    kind: str  #: the table
    action: ChangeAction
    rows: int


class AppliedVersion(NamedTuple):
    """The change that made a version of the model."""

    applied: Instant
    applied_by: str  #: user of the database
    changes: tuple[CountedChanges, ...]


async def read_applied_version(connection: Connection, version: int) -> AppliedVersion | None:
    """Return the change that made a version of the model; None where the audit has none."""
    cursor = await connection.execute(query("model/count_model_changes"), (version,))
    rows = await cursor.fetchall()
    if not rows:
        return None
    return AppliedVersion(
        applied=max(from_datetime(row[3]) for row in rows),
        applied_by=max(row[4] for row in rows),
        changes=tuple(CountedChanges(*row[:3]) for row in rows),
    )
