"""Stores the city model: applies a plan, with what follows from its changes, and loads the model.

One database serves one city. The model holds what is active; a retired datastream keeps its row and its
observations, and `storage.history.observations.read_datastream_ids` still finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from psycopg.rows import dict_row

from storage.database import NOT_MIGRATED, Connection, fetch_rows, not_migrated_error, snapshot
from storage.model import model_rows
from storage.model.built_in_rules import built_in_rules, rules_digest
from storage.model.changed_grids import series_on_other_grids
from storage.model.content_version import ContentT, ContentVersion
from storage.model.duty_overrides import read_overrides
from storage.model.fetched_rosters import read_fetched_rosters
from storage.model.model_rows import (
    CALIBRATION_TABLE,
    DATASTREAM_TABLE,
    MAINTENANCE_TABLE,
    PROPERTY_TABLE,
    SENSOR_TABLE,
    ModelRow,
    ModelTable,
    RowChange,
    property_from_row,
)
from storage.model.push_subscriptions import read_push_subscriptions
from storage.model.rule_store import RULES
from storage.model.window_store import WINDOWS, request_recompute_of_moved
from storage.queries import query
from storage.stores.replay_outbox import request_replays_of_devices
from twin.errors import ServiceError, TwinError
from twin.instant import INSTANT_MIN, to_datetime
from twin.model.city_model import City, CityModel, CityPlan, index_by_id
from twin.model.duty import NO_DUTY_PLAN, PUSH_URL, DutyPlan
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelApplyResult:
    """The result of an apply: numbers of rows. A revived row counts as created."""

    version: int
    created: int
    updated: int
    retired: int

    @property
    def changed(self) -> bool:
        """Whether the plan differed from the model."""
        return bool(self.created or self.updated or self.retired)


class ModelConflictError(TwinError):
    """The model has changed since the plan was derived from it."""


async def apply_plan(
    connection: Connection, plan: CityPlan, *, based_on: int | None = None
) -> ModelApplyResult:
    """Make the database hold a plan, in one transaction; the version rises only if something changed.

    `based_on` is the version of the model that the plan was derived from, if any: then rules and
    maintenance windows stay as they are, and ModelConflictError is raised when this is not the present
    version. Raises ServiceError when the database serves another city.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        stored_city = await find_city_with_content(connection)
        if stored_city is not None and stored_city["id"] != plan.city.id:
            raise ServiceError(
                f"the database serves the city {stored_city['id']!r}, expected {plan.city.id!r}; "
                "one database serves one city: use another database (or data directory)"
            )
        before = stored_city["model_version"] if stored_city is not None else 0
        if based_on is not None and based_on != before:
            raise ModelConflictError(
                f"the model has version {before}, the change was made to version {based_on}"
            )
        changes = _city_changes(stored_city, plan.city)
        planned = model_rows.planned_rows(plan)
        for table in model_rows.MODEL_TABLES:
            stored = model_rows.rows_in_scope(table, await read_rows(connection, table), planned)
            changes += model_rows.row_changes(table, stored, planned[table.name])
        # A plan that was derived from the model does not contain the rules of the folder.
        rules = [] if based_on is not None else RULES.folder_changes(await RULES.read(connection), plan.rules)
        windows = (
            []
            if based_on is not None
            else WINDOWS.folder_changes(await WINDOWS.read(connection), plan.maintenance_windows)
        )
        actions = [change.action for change in changes]
        actions += [rule_change.action for rule_change in rules if rule_change.action is not None]
        actions += [window_change.action for window_change in windows if window_change.action is not None]
        version = before + 1 if actions else before
        earlier = None
        if actions:
            earlier = await _read_model(connection, stored_city) if stored_city is not None else None
            await _write(connection, plan.city, version, changes)
            if earlier is not None:
                series = series_on_other_grids(earlier, plan.model(version))
                await connection.execute(
                    query("model/request_stored_series"),
                    ([entity for entity, _ in series], [name for _, name in series]),
                )
            await insert_recompute_requests(connection, changes)
            await request_replays_of_assigned(connection, changes, planned[model_rows.SENSOR_TABLE.name])
            if based_on is None:
                await write_city_files(connection, plan)
        await RULES.write(connection, rules, version)
        await WINDOWS.write(connection, windows, version)
        if actions and earlier is not None:
            later = replace(plan.model(version), maintenance_windows=_present(await WINDOWS.read(connection)))
            await request_recompute_of_moved(connection, earlier, later)
        await _apply_built_in_rules(connection, changes, plan.properties, is_new=stored_city is None)
    return ModelApplyResult(
        version=version,
        created=actions.count("create") + actions.count("revive"),
        updated=actions.count("update"),
        retired=actions.count("retire"),
    )


async def load_model(connection: Connection, city: str) -> CityModel:
    """Return the model of a city at one moment; raise ServiceError when the database does not have it."""
    async with snapshot(connection):
        return await read_model_in_snapshot(connection, city)


async def read_model_in_snapshot(connection: Connection, city: str) -> CityModel:
    """Return what `load_model` returns, within a snapshot."""
    row = await find_city_with_content(connection)
    if row is None or row["id"] != city:
        state = f"serves {row['id']!r}" if row is not None else "has no city yet"
        raise ServiceError(
            f"the database {state}, expected the city {city!r}; run `livetwin apply` with its folder"
        )
    return await _read_model(connection, row)


def _present(versions: Mapping[str, ContentVersion[ContentT]]) -> dict[str, ContentT]:
    return {id: one.item for id, one in versions.items() if not one.deleted}


async def _read_model(connection: Connection, city: ModelRow) -> CityModel:
    """Return the active model, in the open transaction; `city` is the row of the city with its content."""
    rows = {table.name: await read_rows(connection, table) for table in model_rows.MODEL_TABLES}
    rules = await RULES.read(connection)
    windows = await WINDOWS.read(connection)
    plans = [one for one in rows[model_rows.DUTY_PLAN_TABLE.name] if one["active"]]
    return replace(
        model_of_rows(model_rows.city_from_row(city), city["model_version"], rows),
        maintenance_windows=_present(windows),
        rules=_present(rules),
        withdrawn_rules={id: version.item for id, version in rules.items() if version.deleted},
        rule_authors={
            id: version.changed_by if version.origin == "api" else "livetwin apply"
            for id, version in rules.items()
        },
        duty=await _duty(connection, plans),
    )


def model_of_rows(city: City, version: int, rows: Mapping[str, Sequence[ModelRow]]) -> CityModel:
    """Return the model of the active rows of each table, without rules, windows and duty plan."""
    active = {name: [one for one in of_table if one["active"]] for name, of_table in rows.items()}
    entities = map(model_rows.entity_from_row, active["entity"])
    sensors = map(model_rows.sensor_from_row, active["sensor"])
    properties = map(model_rows.property_from_row, active["observed_property"])
    calibrations = model_rows.rows_in_scope(model_rows.CALIBRATION_TABLE, active["calibration"], active)
    maintenance = model_rows.rows_in_scope(model_rows.MAINTENANCE_TABLE, active["maintenance"], active)
    return CityModel(
        version=version,
        city=city,
        entities={one.id: one for one in entities},
        sensors={one.id: one for one in sensors},
        datastreams=index_by_id(map(model_rows.datastream_from_row, active["datastream"])),
        properties={**BUILT_IN_PROPERTIES, **{one.name: one for one in properties}},
        feeds=tuple(map(model_rows.feed_from_row, active["feed"])),
        calibrations=tuple(map(model_rows.calibration_from_row, calibrations)),
        maintenance=tuple(map(model_rows.maintenance_from_row, maintenance)),
    )


async def _duty(connection: Connection, rows: list[ModelRow]) -> DutyPlan:
    if not rows:
        return NO_DUTY_PLAN
    overrides = tuple(stored.override for stored in await read_overrides(connection))
    plan = model_rows.duty_plan_from_row(rows[0], overrides)
    if any(channel.url == PUSH_URL for channel in plan.channels):
        # Those that have expired since the last change are in it as well: whoever sends looks at the time.
        stored_ones = await read_push_subscriptions(connection, INSTANT_MIN)
        browsers = tuple(stored.subscription for stored in stored_ones)
        plan = msgspec.structs.replace(plan, push_subscriptions=browsers)
    by_url = {team.id for team in plan.teams if team.calendar_url}
    if not by_url:
        return plan
    copies = (stored.roster for stored in await read_fetched_rosters(connection))
    return msgspec.structs.replace(plan, rosters=tuple(one for one in copies if one.team in by_url))


async def find_city_row(connection: Connection) -> ModelRow | None:
    """Return the row of the city, or None while no city was applied."""
    try:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query("model/city/list_cities"))
            return await cursor.fetchone()
    except NOT_MIGRATED as error:
        raise not_migrated_error(error) from error


async def find_city_with_content(connection: Connection) -> ModelRow | None:
    """Return the row of the city with what it says of itself, or None while no city was applied.

    Processes poll the row for its version, each second: that is without the content.
    """
    row = await find_city_row(connection)
    if row is None:
        return None
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("model/city/find_city_content"))
        content = await cursor.fetchone()
    return {**row, **(content or {})}


async def write_city_files(connection: Connection, plan: CityPlan) -> None:
    """Store the content of the files of the page, and remove that of files which the city has no more."""
    async with connection.cursor() as cursor:
        for name, content in plan.files.items():
            await cursor.execute(query("model/city/write_city_file"), (plan.city.files[name], content))
        await cursor.execute(query("model/city/remove_city_files"), (list(plan.city.files.values()),))


async def read_city_file(connection: Connection, sha256: str) -> bytes | None:
    """Return the content of a file of the page, or None when the city has none with this digest."""
    cursor = await connection.execute(query("model/city/find_city_file"), (sha256,))
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def read_city_files(connection: Connection, city: City) -> dict[str, bytes]:
    """Return the content of the files of the page by name, without one that was replaced meanwhile."""
    found = {name: await read_city_file(connection, sha256) for name, sha256 in city.files.items()}
    return {name: content for name, content in found.items() if content is not None}


async def read_rows(connection: Connection, table: ModelTable) -> list[ModelRow]:
    """Return the rows of a table, retired ones too, in the open transaction."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query(table.list_query))
        return await cursor.fetchall()


_CITY = ModelTable(
    name="city", key=("id",), list_query="model/city/list_cities", write_query="model/city/write_city"
)


def _city_changes(stored: ModelRow | None, city: City) -> list[RowChange]:
    before = [{**stored, "active": True}] if stored else []
    return model_rows.row_changes(_CITY, before, [model_rows.city_row(city)])


async def _write(connection: Connection, city: City, version: int, changes: list[RowChange]) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute(
            query(_CITY.write_query),
            {**model_rows.query_parameters(model_rows.city_row(city)), "model_version": version},
        )
        for table in model_rows.MODEL_TABLES:
            of_table = [change for change in changes if change.table is table]
            if table.retire_query is not None:
                outdated = [change.row for change in of_table if change.action in ("update", "retire")]
                if outdated:
                    await cursor.executemany(query(table.retire_query), outdated)
                of_table = [change for change in of_table if change.action != "retire"]
            if of_table:
                rows = [model_rows.query_parameters(change.row) for change in of_table]
                await cursor.executemany(query(table.write_query), rows)
        await cursor.executemany(
            query("model/record_model_change"),
            [
                {
                    "version": version,
                    "kind": change.table.name,
                    "key": change.key,
                    "action": change.action,
                    "difference": msgspec.json.encode(change.difference).decode(),
                }
                for change in changes
            ],
        )


async def _apply_built_in_rules(
    connection: Connection,
    changes: Sequence[RowChange],
    own: Sequence[ObservedProperty],
    *,
    is_new: bool,
) -> None:
    """Store the built-in rules, and request to recompute where others judged what is stored.

    Another version of the program may have other rules. They do not matter where the city has rules of its
    `own`, and had them before `changes`; a change that matters has its requests already.
    """
    ((known,),) = await fetch_rows(connection, "model/find_built_in_rules")
    current = built_in_rules()
    if known == current:
        return
    created = {
        change.row["name"]
        for change in changes
        if change.table is PROPERTY_TABLE and change.action in ("create", "revive")
    }
    if not is_new:
        others = {name for name, rules in current.items() if (known or {}).get(name) != rules}
        affected = others - ({one.name for one in own} - created) - _properties_to_recompute(changes)
        await _request_recompute_of_properties(connection, sorted(affected))
    await connection.execute(
        query("model/write_built_in_rules"), {"rules": msgspec.json.encode(current).decode()}
    )


async def request_replays_of_assigned(
    connection: Connection, changes: Iterable[RowChange], sensors: Sequence[ModelRow]
) -> None:
    """Request the replay of quarantined messages of devices that these changes assign to a sensor.

    The messages of an unknown device are in quarantine as `unknown-sensor`, those with an unobserved field as
    `no-observation`. `sensors` are the rows of the plan.
    """
    assigned = {
        str(change.row["id"] if change.table is SENSOR_TABLE else change.row["sensor"])
        for change in changes
        if _assigns_device(change)
    }
    devices = [
        (str(sensor["feed"]), spelling)
        for sensor in sensors
        if sensor["id"] in assigned
        for spelling in _id_variants(str(sensor["device"]))
    ]
    if devices:
        await request_replays_of_devices(connection, devices)


def _id_variants(device: str) -> set[str]:
    """Return the spellings of a device id: vendors write an EUI in either case, and ingest accepts both."""
    return {device, device.lower(), device.upper()}


def _assigns_device(change: RowChange) -> bool:
    if change.action in ("create", "revive"):
        return change.table in (SENSOR_TABLE, DATASTREAM_TABLE)
    if change.action != "update":
        return False
    changed = change.difference.keys()
    return (change.table is SENSOR_TABLE and not changed.isdisjoint({"feed", "device"})) or (
        change.table is DATASTREAM_TABLE and "field" in changed
    )


async def insert_recompute_requests(connection: Connection, changes: Sequence[RowChange]) -> None:
    """Store a request to recompute for each change that affects stored values or their quality.

    The requests are part of the transaction that changes the model, so that none is lost.
    """
    requests = [
        _affected_range(change)
        for change in changes
        if change.table in (CALIBRATION_TABLE, MAINTENANCE_TABLE)
    ]
    requests += [
        {
            "sensor": change.row["sensor"],
            "property": change.row["property"],
            "start": to_datetime(INSTANT_MIN),
            "end": None,
            "reason": "interval",
        }
        for change in changes
        if change.table is DATASTREAM_TABLE and change.action == "update" and "interval" in change.difference
    ]
    if requests:
        async with connection.cursor() as cursor:
            await cursor.executemany(query("model/request_recompute"), requests)
    await _request_recompute_of_properties(connection, sorted(_properties_to_recompute(changes)))


def _properties_to_recompute(changes: Iterable[RowChange]) -> set[str]:
    """Return the properties of which a change affects all that is stored."""
    return {
        change.row["name"]
        for change in changes
        if change.table is PROPERTY_TABLE and _changes_verdicts(change)
    }


async def _request_recompute_of_properties(connection: Connection, properties: Sequence[str]) -> None:
    requests = [
        {"property": name, "start": to_datetime(INSTANT_MIN), "reason": "quality"} for name in properties
    ]
    if requests:
        async with connection.cursor() as cursor:
            await cursor.executemany(query("model/request_recompute_of_property"), requests)


def _changes_verdicts(change: RowChange) -> bool:
    """Whether a change of a property changes verdicts or windows of what is stored."""
    if change.action == "update":
        earlier = {column: values[0] for column, values in change.difference.items()}
        before, after = property_from_row({**change.row, **earlier}), property_from_row(change.row)
        return rules_digest(before) != rules_digest(after)
    # A city's own property takes the place of a built-in one, or gives it back.
    built_in, own = BUILT_IN_PROPERTIES.get(change.row["name"]), property_from_row(change.row)
    if built_in is None:
        return change.action != "create"
    return rules_digest(built_in) != rules_digest(own)


def _affected_range(change: RowChange) -> ModelRow:
    """Return what a change affects: the time in which the old row or the new row is in force."""
    row = change.row
    before = change.difference.get("end", (row["end"],))[0] if change.action == "update" else row["end"]
    ends = (before, row["end"])
    return {
        "sensor": row["sensor"],
        "property": row.get("property"),
        "start": row["start"],
        "end": None if None in ends else max(ends),
        "reason": "correction",
    }
