"""Everything that the system stored in the end, as rows that can be compared: revisions and reception times
are left out, since they depend on the order of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import batched
from typing import Any, TypeAlias

from storage.database import Connection, connect
from storage.history.backtest import BACKTEST_SPAN_MAX, backtest_rules
from storage.model.model_store import load_model
from storage.stores.alarms import read_alarm_episodes
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant

Table: TypeAlias = dict[tuple[Any, ...], tuple[Any, ...]]
"""Rows by their key."""

History: TypeAlias = dict[str, Table]
"""The tables, by what they hold."""

_STREAM = "d.sensor_id, d.property"

_TABLES: Mapping[str, tuple[int, str]] = {
    "observations": (
        3,
        f"SELECT {_STREAM}, o.phenomenon_time, o.value FROM observation o "
        "JOIN datastream d ON d.id = o.datastream_id",
    ),
    "verdicts": (
        3,
        f"SELECT {_STREAM}, a.phenomenon_time, a.flags FROM assessment a "
        "JOIN datastream d ON d.id = a.datastream_id WHERE a.flags <> 0",
    ),
    "windows": (
        3,
        f"SELECT {_STREAM}, w.start, w.count, w.suspect, w.expected, w.flags, w.minimum, w.maximum, w.mean, "
        "w.sum, w.first, w.last FROM aggregate_hour w JOIN datastream d ON d.id = w.datastream_id",
    ),
    "states of sensors": (
        2,
        f"SELECT {_STREAM}, s.phenomenon_time, s.value, s.flags FROM datastream_state s "
        "JOIN datastream d ON d.id = s.datastream_id",
    ),
    "states of entities": (
        2,
        "SELECT entity_id, property, phenomenon_time, value, flags FROM property_state "
        "WHERE value <> 'NaN'",  # NaN was withdrawn
    ),
    "derived series": (
        3,
        "SELECT entity_id, name, phenomenon_time, value, flags, count FROM entity_value "
        "WHERE value IS NOT NULL AND value <> 'NaN'",
    ),
}
"""By name, how many columns are the key, and the statement."""

_ALARMS = "SELECT DISTINCT alarm_id FROM alarm_event WHERE sensor = '' ORDER BY alarm_id"

_ALARMS_A_QUERY = 50


async def read_history(dsn: str, city: str, span: tuple[Instant, Instant]) -> History:
    """Return what is stored, and what back-tests of all rules find in it."""
    async with await connect(dsn, role="benchmark") as connection:
        found: History = {}
        for name, (keys, statement) in _TABLES.items():
            rows = await _rows(connection, statement)
            found[name] = {row[:keys]: row[keys:] for row in rows}
        found["alarm episodes"] = await _episodes(connection)
        found["back-test"] = await _backtested(connection, city, span)
        return found


async def _rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    async with connection.transaction():
        cursor = await connection.execute(statement)
        return [tuple(row) for row in await cursor.fetchall()]


async def _episodes(connection: Connection) -> Table:
    """Return the stored episodes of alarms, with those that repairs have added to the past."""
    alarms = [alarm for (alarm,) in await _rows(connection, _ALARMS)]
    found: Table = {}
    for some in batched(alarms, _ALARMS_A_QUERY):
        for one in await read_alarm_episodes(connection, some, INSTANT_MIN, INSTANT_MAX):
            found[one.alarm, one.raised] = one.returned, int(one.severity)
    return found


async def _backtested(connection: Connection, city: str, span: tuple[Instant, Instant]) -> Table:
    model = await load_model(connection, city)
    rules = [model.rules[id] for id in sorted(model.rules)]
    start, end = span
    found: Table = {}
    while start < end:
        until = min(end, start + BACKTEST_SPAN_MAX)
        for result in await backtest_rules(connection, rules, model, (start, until), Severity.MINOR):
            for one in result.firings:
                found[one.alarm, one.raised] = one.returned, int(one.severity)
        start = until
    return found


# --- comparison ---


def differences(found: History, expected: History) -> dict[str, list[str]]:
    """Return, by table, the rows that differ."""
    return {name: list(_differences(found[name], table)) for name, table in expected.items()}


def renamed(history: History, change: Callable[[str], str | None]) -> History:
    """Return a history with the id in each key changed; rows for which it becomes None are left out."""
    return {
        table: {(id, *key[1:]): row for key, row in rows.items() if (id := change(str(key[0]))) is not None}
        for table, rows in history.items()
    }


def _differences(found: Table, expected: Table) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys(), key=str):
        one, other = found.get(key), expected.get(key)
        if one is None or other is None or not _same(one, other):
            yield f"{_text(key)}: {_text(one)}, expected {_text(other)}"


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(a, float) and isinstance(b, float)
        else a == b
        for a, b in zip(one, other, strict=True)
    )


def _text(row: tuple[Any, ...] | None) -> str:
    if row is None:
        return "none"
    return " ".join(f"{one:%Y-%m-%dT%H:%M}" if isinstance(one, datetime) else str(one) for one in row)
