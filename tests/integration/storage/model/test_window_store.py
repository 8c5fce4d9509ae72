"""Maintenance windows in the database: versions, folder and API, and what a change makes be judged again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace as changed

from storage.database import Connection, connect
from storage.maintenance.recompute import process_recompute_requests
from storage.maintenance.repair import prepare_repairs
from storage.model.model_document import decode_model, encode_model
from storage.model.model_history import load_model_at
from storage.model.model_store import apply_plan, load_model
from storage.model.version_table import VersionConflictError
from storage.model.window_store import WINDOWS
from tests.support.cities.canal_city import canal_plan
from tests.support.database.history_rows import store_observations
from twin.instant import DAY, HOUR, MINUTE, Instant, from_datetime, parse_instant, to_datetime
from twin.model.maintenance_window import MaintenanceWindow
from twin.model.observation import Observation
from twin.model.recurrence import Recurrence
from twin.quality.quality_flags import QualityFlag

# The night of 25 October, on which the clocks are put back, is a Sunday.
SATURDAY = parse_instant("2026-10-17T22:00:00+02:00")
WEEKLY = Recurrence(rule="FREQ=WEEKLY;UNTIL=20261031")
FLUSHING = MaintenanceWindow(
    id="flushing",
    title="Flushing",
    sensors=("s1",),
    properties=("water_level",),
    start=SATURDAY,
    end=SATURDAY + 8 * HOUR,
    recurrence=WEEKLY,
)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    async with connection.transaction():
        return await (await connection.execute(statement)).fetchall()


async def requests(connection: Connection) -> list[tuple[str, str]]:
    """Return sensor and property of the open recompute requests, and mark them as finished."""
    found = await rows(
        connection, "SELECT sensor_id, property FROM recompute_request WHERE done_at IS NULL ORDER BY id"
    )
    async with connection.transaction():
        await connection.execute("UPDATE recompute_request SET done_at = now()")
    return found


async def maintained(connection: Connection) -> list[str]:
    """Process all requests, and return the times that are flagged with maintenance."""
    model = await load_model(connection, "alkmaar")
    while await process_recompute_requests(connection, model, SATURDAY + 30 * DAY):
        pass
    found = await rows(
        connection,
        f"SELECT phenomenon_time FROM assessment WHERE flags & {int(QualityFlag.MAINTENANCE)} > 0 ORDER BY 1",
    )
    return [time.isoformat() for (time,) in found]


async def water_level(connection: Connection) -> int:
    model = await load_model(connection, "alkmaar")
    return next(one.id for one in model.datastreams.values() if one.property == "water_level")


async def test_a_window_has_versions_and_survives_an_apply(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    first = await WINDOWS.put(connection, "alkmaar", FLUSHING, "desk", 0)
    assert (first.action, first.item.version) == ("create", 1)
    assert (await WINDOWS.put(connection, "alkmaar", FLUSHING, "desk")).action is None
    with pytest.raises(VersionConflictError, match="has version 1, expected none"):
        await WINDOWS.put(connection, "alkmaar", FLUSHING, "desk", 0)
    model = await load_model(connection, "alkmaar")
    assert model.maintenance_windows == {"flushing": changed(FLUSHING, version=1)}
    assert decode_model(encode_model(model)) == model
    assert not (await apply_plan(connection, canal_plan())).changed

    # The folder takes it over, and then says nothing new: what the API changes stays.
    in_folder = replace(canal_plan(), maintenance_windows=(changed(FLUSHING, title="Folder"),))
    assert (await apply_plan(connection, in_folder)).updated == 1
    await WINDOWS.put(connection, "alkmaar", changed(FLUSHING, title="API"), "desk", 2)
    assert not (await apply_plan(connection, in_folder)).changed
    assert (await load_model(connection, "alkmaar")).maintenance_windows["flushing"].title == "API"
    assert (await apply_plan(connection, canal_plan())).retired == 1
    assert (await load_model(connection, "alkmaar")).maintenance_windows == {}
    assert (await WINDOWS.delete(connection, "alkmaar", "flushing", "desk")) is None

    actions = await rows(
        connection, "SELECT action FROM model_change WHERE kind = 'maintenance_window' ORDER BY id"
    )
    assert [action for (action,) in actions] == ["create", "update", "update", "retire"]
    versions = await WINDOWS.read(connection)
    assert (versions["flushing"].deleted, versions["flushing"].item.version) == (True, 4)


async def test_the_model_of_an_earlier_time_has_its_windows(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    await WINDOWS.put(connection, "alkmaar", FLUSHING, "desk")
    ((then,),) = await rows(connection, "SELECT changed_at FROM maintenance_window")
    await WINDOWS.delete(connection, "alkmaar", "flushing", "desk")
    earlier = await load_model_at(connection, "alkmaar", from_datetime(then))
    assert list(earlier.maintenance_windows) == ["flushing"]
    assert (await load_model(connection, "alkmaar")).maintenance_windows == {}


async def test_only_what_a_change_affects_is_judged_again(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    await WINDOWS.put(connection, "alkmaar", FLUSHING, "desk")
    assert await requests(connection) == [("s1", "water_level")]
    await WINDOWS.put(connection, "alkmaar", changed(FLUSHING, title="Other", note="words"), "desk")
    assert await requests(connection) == []
    ahead = changed(FLUSHING, id="ahead", start=SATURDAY + 40_000 * DAY, end=SATURDAY + 40_001 * DAY)
    await WINDOWS.put(connection, "alkmaar", changed(ahead, recurrence=None), "desk")
    assert await requests(connection) == []
    everything = {(one.sensor, one.property) for one in canal_plan().datastreams}
    await WINDOWS.put(
        connection, "alkmaar", changed(FLUSHING, sensors=(), areas=("city",), properties=()), "desk"
    )
    # What it covered before, and what it covers now.
    assert set(await requests(connection)) == everything
    await WINDOWS.delete(connection, "alkmaar", "flushing", "desk")
    assert set(await requests(connection)) == everything


async def test_stored_values_are_judged_again_for_each_occurrence(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    await prepare_repairs(connection)
    datastream = await water_level(connection)
    times: list[Instant] = []
    for week in (0, 7):
        night = SATURDAY + week * DAY
        # Before, in, and after the occurrence; the second one has nine hours.
        times += [
            night - MINUTE,
            night,
            night + 8 * HOUR - MINUTE,
            night + 8 * HOUR + MINUTE,
            night + 10 * HOUR,
        ]
    await store_observations(
        connection, [Observation(datastream, time, time, 1.0 + index, 0) for index, time in enumerate(times)]
    )
    await WINDOWS.put(connection, "alkmaar", FLUSHING, "desk")
    wanted = [to_datetime(times[index]).isoformat() for index in (1, 2, 6, 7, 8)]
    assert await maintained(connection) == wanted
    # Changed for the past: without the second night; and then gone.
    without = Recurrence(rule=WEEKLY.rule, exdates=("2026-10-24",))
    await WINDOWS.put(connection, "alkmaar", changed(FLUSHING, recurrence=without), "desk")
    assert await maintained(connection) == wanted[:2]
    await WINDOWS.delete(connection, "alkmaar", "flushing", "desk")
    assert await maintained(connection) == []


async def test_an_entity_that_moves_comes_under_the_windows_of_its_area(connection: Connection) -> None:
    plan = canal_plan()
    moved = next(one for one in plan.entities if one.id == "canal")
    city = next(one for one in plan.entities if one.id == "city")
    other = replace(city, id="elsewhere")
    plan = replace(plan, entities=(*plan.entities, other))
    await apply_plan(connection, plan)
    window = changed(FLUSHING, sensors=(), areas=("elsewhere",), properties=())
    await WINDOWS.put(connection, "alkmaar", window, "desk")
    assert await requests(connection) == []
    entities = tuple(replace(one, parent="elsewhere") if one is moved else one for one in plan.entities)
    await apply_plan(connection, replace(plan, entities=entities))
    found = set(await requests(connection))
    assert found == {(one.sensor, one.property) for one in plan.datastreams if one.entity == moved.id}
    model = await load_model(connection, "alkmaar")
    covered = {one.entity for one in model.datastreams.values() if model.windows_of(one)}
    assert covered == {moved.id}
