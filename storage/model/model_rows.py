"""Converts the city model to and from rows of its tables, and compares planned with stored rows.

A row is a dict of JSON values by column; intervals are microseconds, times are datetimes or None. Planned and
stored rows have the same form, so their difference is a comparison, and the audit records it unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from twin.instant import INSTANT_MAX, Instant, format_instant, from_datetime, to_datetime
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import City, CityFeed, CityPlan
from twin.model.duty import NO_DUTY_PLAN, DutyOverride, DutyPlan, encode_duty_plan
from twin.model.entity import Entity, Relation
from twin.model.observed_property import ObservedProperty, Retention
from twin.model.sensor import Datastream, Sensor
from twin.model.sensor_register import RegisterEntry, SensorRegister
from twin.model.site import Site
from twin.quality.quality_rules import TIME_RULES_ONLY, QualityRules
from twin.quality.valid_when import ValidWhen

ModelRow: TypeAlias = dict[str, Any]
ChangeAction: TypeAlias = Literal["create", "update", "retire", "revive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """A table of the model: its name, the columns that identify a row, and its statements."""

    name: str
    key: tuple[str, ...]
    list_query: str
    write_query: str
    #: set where stored rows are never changed: a changed row is retired and written as a new row
    retire_query: str | None = None


ENTITY_TABLE = ModelTable(
    name="entity",
    key=("id",),
    list_query="model/tables/list_entities",
    write_query="model/tables/write_entity",
)
PROPERTY_TABLE = ModelTable(
    name="observed_property",
    key=("name",),
    list_query="model/tables/list_observed_properties",
    write_query="model/tables/write_observed_property",
)
FEED_TABLE = ModelTable(
    name="feed", key=("id",), list_query="model/tables/list_feeds", write_query="model/tables/write_feed"
)
SENSOR_TABLE = ModelTable(
    name="sensor",
    key=("id",),
    list_query="model/tables/list_sensors",
    write_query="model/tables/write_sensor",
)
DATASTREAM_TABLE = ModelTable(
    name="datastream",
    key=("sensor", "property", "entity"),
    list_query="model/tables/list_datastreams",
    write_query="model/tables/write_datastream",
)

CALIBRATION_TABLE = ModelTable(
    name="calibration",
    key=("sensor", "property", "start"),
    list_query="model/tables/list_calibrations",
    write_query="model/tables/write_calibration",
    retire_query="model/tables/retire_calibration",
)
MAINTENANCE_TABLE = ModelTable(
    name="maintenance",
    key=("sensor", "start"),
    list_query="model/tables/list_maintenance",
    write_query="model/tables/write_maintenance",
    retire_query="model/tables/retire_maintenance",
)

DUTY_PLAN_TABLE = ModelTable(
    name="duty_plan",
    key=("city",),
    list_query="model/tables/list_duty_plans",
    write_query="model/tables/write_duty_plan",
    retire_query="model/tables/retire_duty_plan",
)

MODEL_TABLES = (
    ENTITY_TABLE,
    PROPERTY_TABLE,
    FEED_TABLE,
    SENSOR_TABLE,
    DATASTREAM_TABLE,
    CALIBRATION_TABLE,
    MAINTENANCE_TABLE,
    DUTY_PLAN_TABLE,
)
"""In the order of their references: a referenced table comes first."""

JSON_COLUMNS = frozenset(
    {
        *("geometry", "attributes", "relations", "quality", "retention", "plan", "valid_when", "register"),
        *("site", "sensor_register", "files"),
    }
)


class RowChange(NamedTuple):
    """A change of one row, with its difference."""

    table: ModelTable
    key: str
    action: ChangeAction
    row: ModelRow  #: the new row, with `active`
    difference: Mapping[str, Sequence[Any]]  #: column → [before, after]


def city_row(city: City) -> ModelRow:
    """Return the row of a city, without the version of its model."""
    return _as_json(asdict(city))


def city_from_row(row: ModelRow) -> City:
    """Return the city in a row with its content."""
    return City(
        id=row["id"],
        name=row["name"],
        timezone=row["timezone"],
        sensor_register=msgspec.convert(row["sensor_register"], SensorRegister),
        site=msgspec.convert(row["site"], Site),
        files=row["files"],
    )


def planned_rows(plan: CityPlan) -> dict[str, list[ModelRow]]:
    """Return the rows of a plan, by table."""
    return {
        ENTITY_TABLE.name: [_as_json(asdict(entity)) for entity in plan.entities],
        PROPERTY_TABLE.name: [_property_row(one) for one in plan.properties],
        FEED_TABLE.name: [asdict(one) for one in plan.feeds],
        SENSOR_TABLE.name: [_as_json(asdict(one)) for one in plan.sensors],
        DATASTREAM_TABLE.name: [_without(_as_json(asdict(one)), "id") for one in plan.datastreams],
        CALIBRATION_TABLE.name: [_with_times(asdict(one)) for one in plan.calibrations],
        MAINTENANCE_TABLE.name: [_with_times(asdict(one)) for one in plan.maintenance],
        DUTY_PLAN_TABLE.name: _duty_rows(plan),
    }


def _duty_rows(plan: CityPlan) -> list[ModelRow]:
    """Return the row of the duty plan, if there is one, without what has a table of its own."""
    duty = msgspec.structs.replace(plan.duty, overrides=(), rosters=(), push_subscriptions=())
    if duty == NO_DUTY_PLAN:
        return []
    return [{"city": plan.city.id, "plan": msgspec.json.decode(encode_duty_plan(duty))}]


def _property_row(property: ObservedProperty) -> ModelRow:
    """Return the row of a property, with None for default rules and retention, so that new defaults apply."""
    row = _as_json(asdict(property))
    if property.quality == TIME_RULES_ONLY:
        row["quality"] = None
    if property.retention == Retention():
        row["retention"] = None
    return row


def _with_times(row: ModelRow) -> ModelRow:
    end = None if row["end"] == INSTANT_MAX else to_datetime(row["end"])
    return {**row, "start": to_datetime(row["start"]), "end": end}


def rows_in_scope(
    table: ModelTable, stored: Iterable[ModelRow], planned: Mapping[str, Sequence[ModelRow]]
) -> list[ModelRow]:
    """Return the stored rows that a plan can change.

    A plan does not change the calibrations of a property that is no longer observed, nor the maintenance of a
    removed sensor: they stay, because they still correct the history.
    """
    if table is CALIBRATION_TABLE:
        observed = {(one["sensor"], one["property"]) for one in planned[DATASTREAM_TABLE.name]}
        return [one for one in stored if (one["sensor"], one["property"]) in observed]
    if table is MAINTENANCE_TABLE:
        sensors = {one["id"] for one in planned[SENSOR_TABLE.name]}
        return [one for one in stored if one["sensor"] in sensors]
    return list(stored)


def row_changes(
    table: ModelTable, stored: Iterable[ModelRow], planned: Iterable[ModelRow]
) -> list[RowChange]:
    """Return the changes that make a table hold a plan.

    `stored` rows have `active`, and perhaps an `id` that planned rows lack. A row that is missing in the plan
    is retired; a retired row that is in the plan is revived.
    """
    before = {row_key(table, row): row for row in stored}
    after = {row_key(table, row): row for row in planned}
    changes: list[RowChange] = []
    for key, row in after.items():
        stored_row = before.get(key)
        if stored_row is None:
            created = {column: [None, value] for column, value in row.items()}
            changes.append(RowChange(table, key, "create", {**row, "active": True}, created))
            continue
        difference = {
            column: [stored_row[column], value]
            for column, value in row.items()
            if stored_row[column] != value
        }
        if not stored_row["active"]:
            difference["active"] = [False, True]
            changes.append(RowChange(table, key, "revive", {**row, "active": True}, difference))
        elif difference:
            changes.append(RowChange(table, key, "update", {**row, "active": True}, difference))
    for key, row in before.items():
        if row["active"] and key not in after:
            changes.append(
                RowChange(table, key, "retire", {**row, "active": False}, {"active": [True, False]})
            )
    return changes


def entity_from_row(row: ModelRow) -> Entity:
    """Return the entity in a row."""
    relations = tuple(Relation(**one) for one in row["relations"])
    return Entity(**{**_without(row, "active"), "relations": relations})


def property_from_row(row: ModelRow) -> ObservedProperty:
    """Return the observed property in a row."""
    known = _without(row, "active")
    quality, retention = known["quality"], known["retention"]
    known["quality"] = TIME_RULES_ONLY if quality is None else msgspec.convert(quality, QualityRules)
    known["retention"] = Retention() if retention is None else msgspec.convert(retention, Retention)
    return ObservedProperty(**known)


def feed_from_row(row: ModelRow) -> CityFeed:
    """Return the feed in a row."""
    return CityFeed(**_without(row, "active"))


def sensor_from_row(row: ModelRow) -> Sensor:
    """Return the sensor in a row."""
    register = msgspec.convert(row["register"], RegisterEntry)
    return Sensor(**{**_without(row, "active"), "register": register})


def datastream_from_row(row: ModelRow) -> Datastream:
    """Return the datastream in a row."""
    known = _without(row, "active")
    condition = known["valid_when"]
    known["valid_when"] = None if condition is None else msgspec.convert(condition, ValidWhen)
    return Datastream(**known)


def calibration_from_row(row: ModelRow) -> Calibration:
    """Return the calibration in a row."""
    return Calibration(**_with_instants(row))


def maintenance_from_row(row: ModelRow) -> Maintenance:
    """Return the maintenance in a row."""
    return Maintenance(**_with_instants(row))


def duty_plan_from_row(row: ModelRow, overrides: tuple[DutyOverride, ...]) -> DutyPlan:
    """Return the duty plan in a row, with overrides in the order of their creation."""
    plan = msgspec.convert(row["plan"], DutyPlan)
    return msgspec.structs.replace(plan, overrides=overrides)


def _with_instants(row: ModelRow) -> ModelRow:
    end: Instant = INSTANT_MAX if row["end"] is None else from_datetime(row["end"])
    return {**_without(row, "active"), "start": from_datetime(row["start"]), "end": end}


def query_parameters(row: ModelRow) -> ModelRow:
    """Return a row as query parameters, with JSON columns as text."""
    return {
        column: msgspec.json.encode(value).decode() if column in JSON_COLUMNS and value is not None else value
        for column, value in row.items()
    }


def row_key(table: ModelTable, row: ModelRow) -> str:
    """Return the key of a row, as the audit names it."""
    return "/".join(_text(row[column]) for column in table.key)


def _text(value: object) -> str:
    return format_instant(from_datetime(value)) if isinstance(value, datetime) else str(value)


def _without(row: ModelRow, column: str) -> ModelRow:
    return {name: value for name, value in row.items() if name != column}


def _as_json(row: ModelRow) -> ModelRow:
    """Return the row in the form of JSON: with lists instead of tuples."""
    plain: ModelRow = msgspec.json.decode(msgspec.json.encode(row))
    return plain
