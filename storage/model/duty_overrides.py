"""Overrides of a duty plan in the database: made, withdrawn, found. The plan is a row of the model.

Each change raises the version of the model, so that the roles follow, and is written into the model's audit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from storage.database import Connection
from storage.model.model_rows import ChangeAction
from storage.queries import query
from twin.errors import ServiceError, TwinError
from twin.instant import DAY, Duration, Instant, format_instant, from_datetime, to_datetime
from twin.model.duty import DutyOverride

OVERRIDE_RETENTION: Duration = 400 * DAY
"""A model holds an override for so long after its end: for who asks who was on call."""

OVERRIDES_MAX = 1_000
"""Of those that are not over; more is a fault of a program."""


class TooManyOverridesError(TwinError):
    """There are so many overrides that are not over that no other is taken."""


class StoredOverride(NamedTuple):
    """An override, and who made and withdrew it."""

    override: DutyOverride
    made_by: str  #: name of an API key
    made: Instant
    withdrawn_by: str | None
    withdrawn: Instant | None  #: None while it counts


async def create_override(
    connection: Connection, city: str, override: DutyOverride, by: str
) -> StoredOverride:
    """Write an override down, with an id of its own, and return it.

    Raises TooManyOverridesError when `OVERRIDES_MAX` are not over yet.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        if len(await read_overrides(connection, 0)) >= OVERRIDES_MAX:
            raise TooManyOverridesError(
                f"{OVERRIDES_MAX} overrides are not over, expected fewer; withdraw those that nobody needs"
            )
        asked = {
            "team": override.team,
            "contact": override.contact,
            "start": to_datetime(override.start),
            "end": to_datetime(override.end),
            "note": override.note,
            "made_by": by,
        }
        rows = await (await connection.execute(query("model/insert_override"), asked)).fetchall()
        made = _override_from_row(rows[0])
        await _record_change(connection, city, made, "create", by)
    return made


async def withdraw_override(connection: Connection, city: str, id: str, by: str) -> StoredOverride | None:
    """Withdraw an override and return it; None when there is none that counts."""
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        row = await (
            await connection.execute(query("model/withdraw_override"), {"id": id, "by": by})
        ).fetchone()
        if row is None:
            return None
        withdrawn = _override_from_row(row)
        await _record_change(connection, city, withdrawn, "retire", by)
    return withdrawn


async def find_override(connection: Connection, id: str) -> StoredOverride | None:
    """Return an override, withdrawn or not; None when there is none of that id."""
    row = await (await connection.execute(query("model/find_override"), {"id": id})).fetchone()
    return None if row is None else _override_from_row(row)


async def read_overrides(
    connection: Connection, over_since: Duration = OVERRIDE_RETENTION
) -> tuple[StoredOverride, ...]:
    """Return those that count and are not over for longer than that, in the order in which they were made."""
    rows = await (
        await connection.execute(query("model/list_overrides"), {"over_since": over_since})
    ).fetchall()
    return tuple(map(_override_from_row, rows))


def _override_from_row(row: tuple[Any, ...]) -> StoredOverride:
    id, team, contact, start, end, note, made_by, made_at, withdrawn_by, withdrawn_at = row
    override = DutyOverride(
        id=id, team=team, contact=contact, start=from_datetime(start), end=from_datetime(end), note=note
    )
    return StoredOverride(override, made_by, from_datetime(made_at), withdrawn_by, _instant(withdrawn_at))


def _instant(moment: datetime | None) -> Instant | None:
    return None if moment is None else from_datetime(moment)


async def _record_change(
    connection: Connection, city: str, made: StoredOverride, action: ChangeAction, by: str
) -> None:
    """Raise the version of the model, and write into its audit what was done."""
    row = await (await connection.execute(query("model/raise_model_version"), {"city": city})).fetchone()
    if row is None:
        raise ServiceError(
            f"the database does not serve the city {city!r}; run `livetwin apply` with its folder"
        )
    told = made.override
    facts = {
        "team": told.team,
        "contact": told.contact,
        "start": format_instant(told.start),
        "end": format_instant(told.end),
        "by": by,
    }
    difference = {
        name: [None, value] if action == "create" else [value, None] for name, value in facts.items()
    }
    await connection.execute(
        query("model/record_model_change"),
        {
            "version": row[0],
            "kind": "duty_override",
            "key": told.id,
            "action": action,
            "difference": msgspec.json.encode(difference).decode(),
        },
    )
