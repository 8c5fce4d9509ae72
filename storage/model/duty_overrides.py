"""Creates, withdraws and finds overrides of the duty plan in the database. The plan is a row of the model.

Each change raises the version of the model, so that the roles reload it, and is recorded in the model's
audit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from storage.database import Connection
from storage.model.model_audit import raise_model_version, record_model_change
from storage.model.model_rows import ChangeAction
from storage.queries import query
from twin.errors import TwinError
from twin.instant import DAY, Duration, Instant, format_instant, from_datetime, to_datetime
from twin.model.duty import DutyOverride

OVERRIDE_RETENTION: Duration = 400 * DAY
"""How long the model holds an override after its end, to answer who was on call."""

OVERRIDES_MAX = 1_000
"""The most overrides that have not ended; more of them point to a faulty program."""


class TooManyOverridesError(TwinError):
    """No further override is accepted, since too many have not ended."""


class StoredOverride(NamedTuple):
    """An override, with the names of the API keys that created and withdrew it."""

    override: DutyOverride
    made_by: str  #: name of an API key
    made: Instant
    withdrawn_by: str | None
    withdrawn: Instant | None  #: None while it is in force


async def create_override(
    connection: Connection,
    city: str,
    override: DutyOverride,
    by: str,
    *,
    overrides_max: int = OVERRIDES_MAX,
) -> StoredOverride:
    """Store an override under a new id, and return it.

    Raises TooManyOverridesError when `overrides_max` overrides have not ended yet.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        if len(await read_overrides(connection, 0)) >= overrides_max:
            raise TooManyOverridesError(
                f"{overrides_max} overrides have not ended, expected fewer; withdraw some"
            )
        parameters = {
            "team": override.team,
            "contact": override.contact,
            "start": to_datetime(override.start),
            "end": to_datetime(override.end),
            "note": override.note,
            "made_by": by,
        }
        rows = await (await connection.execute(query("model/insert_override"), parameters)).fetchall()
        stored = _override_from_row(rows[0])
        await _record_change(connection, city, stored, "create", by)
    return stored


async def withdraw_override(connection: Connection, city: str, id: str, by: str) -> StoredOverride | None:
    """Withdraw an override and return it; None when none of this id is in force."""
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
    """Return an override, withdrawn or not, or None."""
    row = await (await connection.execute(query("model/find_override"), {"id": id})).fetchone()
    return None if row is None else _override_from_row(row)


async def read_overrides(
    connection: Connection, over_since: Duration = OVERRIDE_RETENTION
) -> tuple[StoredOverride, ...]:
    """Return the overrides in force that ended at most `over_since` ago, in the order of their creation."""
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
    connection: Connection, city: str, stored: StoredOverride, action: ChangeAction, by: str
) -> None:
    override = stored.override
    facts = {
        "team": override.team,
        "contact": override.contact,
        "start": format_instant(override.start),
        "end": format_instant(override.end),
        "by": by,
    }
    difference = {
        name: [None, value] if action == "create" else [value, None] for name, value in facts.items()
    }
    version = await raise_model_version(connection, city)
    await record_model_change(
        connection,
        version=version,
        kind="duty_override",
        key=override.id,
        action=action,
        difference=difference,
    )
