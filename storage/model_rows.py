"""The rows of a city model: what a plan asks for and what a table holds, as plain values that compare.

A row is a dict of JSON values, by column; intervals are microseconds. Plan and table make the same rows, so
the difference between the two is a comparison, and the audit writes it down as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from twin.entity import Entity, Relation
from twin.model import CityPlan, Feed
from twin.observed_property import ObservedProperty
from twin.sensor import Datastream, Sensor

Row: TypeAlias = dict[str, Any]
Action: TypeAlias = Literal["create", "update", "retire", "revive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the model: how it is called, and which of its columns identify a row."""

    name: str
    key: tuple[str, ...]
    list_query: str
    write_query: str


ENTITY = Table(name="entity", key=("id",), list_query="list_entities", write_query="write_entity")
OBSERVED_PROPERTY = Table(
    name="observed_property",
    key=("name",),
    list_query="list_observed_properties",
    write_query="write_observed_property",
)
FEED = Table(name="feed", key=("id",), list_query="list_feeds", write_query="write_feed")
SENSOR = Table(name="sensor", key=("id",), list_query="list_sensors", write_query="write_sensor")
DATASTREAM = Table(
    name="datastream",
    key=("sensor", "property", "entity"),
    list_query="list_datastreams",
    write_query="write_datastream",
)

TABLES = (ENTITY, OBSERVED_PROPERTY, FEED, SENSOR, DATASTREAM)
"""In the order in which they refer to each other: what is referred to comes first."""

JSON_COLUMNS = frozenset({"geometry", "attributes", "relations"})


class RowChange(NamedTuple):
    """What has to happen to one row, and why."""

    table: Table
    key: str
    action: Action
    row: Row  #: as it will be, with `active`
    difference: Mapping[str, Sequence[Any]]  #: column → [before, after]


def planned_rows(plan: CityPlan) -> dict[str, list[Row]]:
    """Return the rows that a plan asks for, by table."""
    return {
        ENTITY.name: [_plain(asdict(one)) for one in plan.entities],
        OBSERVED_PROPERTY.name: [asdict(one) for one in plan.properties],
        FEED.name: [asdict(one) for one in plan.feeds],
        SENSOR.name: [asdict(one) for one in plan.sensors],
        DATASTREAM.name: [_without(asdict(one), "id") for one in plan.datastreams],
    }


def changes(table: Table, stored: Iterable[Row], planned: Iterable[Row]) -> list[RowChange]:
    """Return what makes a table hold a plan.

    `stored` rows have `active`, and perhaps an `id` that the plan does not know. A row that the plan no
    longer has is retired, one that it has again is revived.
    """
    before = {_key(table, row): row for row in stored}
    after = {_key(table, row): row for row in planned}
    found: list[RowChange] = []
    for key, row in after.items():
        old = before.get(key)
        if old is None:
            created = {column: [None, value] for column, value in row.items()}
            found.append(RowChange(table, key, "create", {**row, "active": True}, created))
            continue
        difference = {column: [old[column], value] for column, value in row.items() if old[column] != value}
        if not old["active"]:
            difference["active"] = [False, True]
            found.append(RowChange(table, key, "revive", {**row, "active": True}, difference))
        elif difference:
            found.append(RowChange(table, key, "update", {**row, "active": True}, difference))
    for key, row in before.items():
        if row["active"] and key not in after:
            found.append(RowChange(table, key, "retire", {**row, "active": False}, {"active": [True, False]}))
    return found


def entity_of(row: Row) -> Entity:
    """Return the entity that a row holds."""
    relations = tuple(Relation(**one) for one in row["relations"])
    return Entity(**{**_without(row, "active"), "relations": relations})


def property_of(row: Row) -> ObservedProperty:
    """Return the observed property that a row holds."""
    return ObservedProperty(**_without(row, "active"))


def feed_of(row: Row) -> Feed:
    """Return the feed that a row holds."""
    return Feed(**_without(row, "active"))


def sensor_of(row: Row) -> Sensor:
    """Return the sensor that a row holds."""
    return Sensor(**_without(row, "active"))


def datastream_of(row: Row) -> Datastream:
    """Return the datastream that a row holds."""
    return Datastream(**_without(row, "active"))


def parameters(row: Row) -> Row:
    """Return a row as query parameters: JSON columns as text."""
    return {
        column: msgspec.json.encode(value).decode() if column in JSON_COLUMNS and value is not None else value
        for column, value in row.items()
    }


def _key(table: Table, row: Row) -> str:
    return "/".join(str(row[column]) for column in table.key)


def _without(row: Row, column: str) -> Row:
    return {name: value for name, value in row.items() if name != column}


def _plain(row: Row) -> Row:
    """Return the row as JSON has it: lists where Python has tuples."""
    plain: Row = msgspec.json.decode(msgspec.json.encode(row))
    return plain
