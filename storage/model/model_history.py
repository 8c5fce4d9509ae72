"""Reads the city model as it was at an earlier time.

Calibrations, maintenance and duty plans have the times at which they were known. Of the other tables the
audit has the values before and after each change: later changes are undone. Rules have versions of their own
(`storage.model.rule_store`), so a model of the past comes with the present ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from psycopg.rows import dict_row

from storage.database import Connection, QueryError, snapshot
from storage.model import model_rows
from storage.model.model_rows import ModelRow, ModelTable
from storage.model.model_store import model_of_rows, read_model_in_snapshot, read_rows
from storage.queries import query
from twin.instant import Instant, format_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.duty import NO_DUTY_PLAN
from twin.model.maintenance_window import decode_window

UNDONE_MAX = 100_000
"""The most changes of rows to undo: some 50 MB. A large city has so many rows in all."""

_UNDONE = {
    table.name: table
    for table in (
        model_rows.ENTITY_TABLE,
        model_rows.PROPERTY_TABLE,
        model_rows.FEED_TABLE,
        model_rows.SENSOR_TABLE,
        model_rows.DATASTREAM_TABLE,
    )
}
_DATED = {
    model_rows.CALIBRATION_TABLE.name: "model/history/list_calibrations_at",
    model_rows.MAINTENANCE_TABLE.name: "model/history/list_maintenance_at",
    model_rows.DUTY_PLAN_TABLE.name: "model/history/list_duty_plans_at",
}


async def load_model_at(connection: Connection, city: str, at: Instant) -> CityModel:
    """Return the model of a city as it was at a time, with the present rules.

    The duty plan is without overrides.

    No transaction may be open on the connection. Raises ServiceError when the database does not have the
    city, and QueryError when more than `UNDONE_MAX` rows have changed since.
    """
    moment = {"at": to_datetime(at)}
    async with snapshot(connection):
        present = await read_model_in_snapshot(connection, city)
        version = await (await connection.execute(query("model/history/find_version_at"), moment)).fetchone()
        changes = await (
            await connection.execute(
                query("model/history/list_model_changes_after"),
                {**moment, "kinds": list(_UNDONE), "limit": UNDONE_MAX + 1},
            )
        ).fetchall()
        rows = {name: await read_rows(connection, table) for name, table in _UNDONE.items()}
        async with connection.cursor(row_factory=dict_row) as cursor:
            for name, statement in _DATED.items():
                rows[name] = await (await cursor.execute(query(statement), moment)).fetchall()
        windows = await (
            await connection.execute(query("model/history/list_maintenance_windows_at"), moment)
        ).fetchall()
    if len(changes) > UNDONE_MAX:
        raise QueryError(
            f"more than {UNDONE_MAX:,} rows of the model have changed since {format_instant(at)}: the model "
            "of then cannot be made"
        )
    for kind, key, action, difference in changes:
        rows[kind] = undone(_UNDONE[kind], rows[kind], key, action, msgspec.json.decode(difference))
    known = version[0] if version is not None and version[0] is not None else 1
    plans = rows[model_rows.DUTY_PLAN_TABLE.name]
    duty = model_rows.duty_plan_from_row(plans[0], ()) if plans else NO_DUTY_PLAN
    in_force = [decode_window(content) for (content,) in windows]
    return replace(
        model_of_rows(present.city, known, rows),
        maintenance_windows={one.id: one for one in in_force},
        rules=present.rules,
        duty=duty,
    )


def undone(
    table: ModelTable,
    rows: Iterable[ModelRow],
    key: str,
    action: str,
    difference: Mapping[str, Sequence[Any]],
) -> list[ModelRow]:
    """Return the rows of a table as they were before a change of the row with this key."""
    before = {column: values[0] for column, values in difference.items()}
    return [
        {**row, **before} if model_rows.row_key(table, row) == key else row
        for row in rows
        if action != "create" or model_rows.row_key(table, row) != key
    ]
