"""Stores the copies of rosters that the duty plan names by URL.

A copy with other content raises the version of the model, so that the roles reload it, and is recorded in the
model's audit.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from storage.database import Connection
from storage.model.model_audit import raise_model_version, record_model_change
from storage.queries import query
from twin.instant import Instant, from_datetime, to_datetime
from twin.model.duty import FetchedRoster


class StoredRoster(NamedTuple):
    """A copy, and when it was last the same as its source."""

    roster: FetchedRoster
    checked: Instant


async def read_fetched_rosters(connection: Connection) -> tuple[StoredRoster, ...]:
    """Return the copies, by team."""
    rows = await (await connection.execute(query("model/rosters/list_fetched_rosters"))).fetchall()
    return tuple(
        StoredRoster(
            FetchedRoster(team=team, calendar=calendar, changed=from_datetime(changed)),
            from_datetime(checked),
        )
        for team, calendar, changed, checked in rows
    )


async def store_fetched_roster(
    connection: Connection, city: str, team: str, calendar: str, now: Instant
) -> bool:
    """Store what was fetched; return whether its content is new.

    Raises ServiceError when the database does not serve this city.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        found = await connection.execute(query("model/rosters/find_fetched_calendar"), {"team": team})
        row = await found.fetchone()
        if row is not None and row[0] == calendar:
            await connection.execute(
                query("model/rosters/mark_roster_checked"), {"team": team, "at": to_datetime(now)}
            )
            return False
        await connection.execute(
            query("model/rosters/write_fetched_roster"),
            {"team": team, "calendar": calendar, "at": to_datetime(now)},
        )
        before = None if row is None else _digest(row[0])
        version = await raise_model_version(connection, city)
        await record_model_change(
            connection,
            version=version,
            kind="fetched_roster",
            key=team,
            action="create" if row is None else "update",
            difference={"sha256": [before, _digest(calendar)]},
        )
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
