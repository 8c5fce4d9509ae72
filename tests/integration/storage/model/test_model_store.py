"""The city model is applied once, audited, loaded as planned, and reloaded when it changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from storage.database import connect
from storage.model.model_source import ModelSource
from storage.model.model_store import ModelApplyResult, apply_plan, load_model
from tests.support.cities.canal_city import canal_plan
from twin.errors import ServiceError
from twin.model.city_model import City, CityModel, CityPlan
from twin.model.observed_property import BUILT_IN_PROPERTIES


async def applied(dsn: str, wanted: CityPlan) -> ModelApplyResult:
    async with await connect(dsn, role="test") as connection:
        return await apply_plan(connection, wanted)


async def loaded(dsn: str) -> CityModel:
    async with await connect(dsn, role="test") as connection:
        return await load_model(connection, "alkmaar")


async def fetch(dsn: str, statement: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await (await connection.execute(statement)).fetchall()


async def fetch_nothing(dsn: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(statement)


async def next_model(source: ModelSource) -> CityModel:
    watching = source.watch()
    try:
        return await asyncio.wait_for(anext(watching), timeout=20)
    finally:
        await watching.aclose()


async def test_a_model_is_loaded_as_it_was_planned(database: str) -> None:
    outcome = await applied(database, canal_plan())
    model = await loaded(database)
    assert outcome == ModelApplyResult(version=1, created=11, updated=0, retired=0)
    assert (model.version, model.city) == (1, canal_plan().city)
    wanted = canal_plan()
    assert set(model.entities) == {"canal", "street", "city"}
    assert model.entities["canal"].relations == wanted.entities[0].relations
    assert model.entities["canal"].attributes == wanted.entities[0].attributes
    assert model.entities["street"] == wanted.entities[1]
    assert list(model.sensors.values()) == list(wanted.sensors)
    by_name = {one.property: replace(one, id=0) for one in model.datastreams.values()}
    assert by_name == {one.property: one for one in wanted.datastreams}
    assert model.properties == {**BUILT_IN_PROPERTIES, "depth": wanted.properties[0]}
    assert model.feeds == wanted.feeds


async def test_applying_the_same_plan_again_changes_nothing(database: str) -> None:
    await applied(database, canal_plan())
    before = await fetch(database, "SELECT count(*) FROM model_change")
    outcome = await applied(database, canal_plan())
    assert (outcome.version, outcome.changed) == (1, False)
    assert await fetch(database, "SELECT count(*) FROM model_change") == before


async def test_two_simultaneous_applies_act_as_one(database: str) -> None:
    outcomes = await asyncio.gather(applied(database, canal_plan()), applied(database, canal_plan()))
    assert sorted(one.changed for one in outcomes) == [False, True]
    assert {one.version for one in outcomes} == {1}


async def test_a_change_is_audited_with_before_and_after(database: str) -> None:
    await applied(database, canal_plan())
    outcome = await applied(database, canal_plan(entity_name="Noordhollandsch Kanaal"))
    assert outcome == ModelApplyResult(version=2, created=0, updated=1, retired=0)
    assert await fetch(
        database, "SELECT kind, key, action, difference FROM model_change WHERE version = 2"
    ) == [("entity", "canal", "update", {"name": ["Canal", "Noordhollandsch Kanaal"]})]


async def test_a_removed_row_is_retired_and_revived_with_its_id(database: str) -> None:
    await applied(database, canal_plan())
    first = await loaded(database)
    outcome = await applied(database, canal_plan(with_second=False))
    assert outcome == ModelApplyResult(version=2, created=0, updated=0, retired=2)
    assert "s2" not in (await loaded(database)).sensors
    assert await fetch(
        database, "SELECT active, retired_at IS NOT NULL FROM datastream WHERE sensor_id = 's2'"
    ) == [(False, True)]
    assert (await applied(database, canal_plan())).created == 2
    again = await loaded(database)
    assert dict(again.datastreams) == dict(first.datastreams)


async def test_a_sensor_that_moves_gets_new_datastreams_and_its_old_ones_when_it_returns(
    database: str,
) -> None:
    await applied(database, canal_plan())
    at_canal = {one.id for one in (await loaded(database)).datastreams_of("canal")}
    await applied(database, canal_plan(sensor_at="street"))
    moved = await loaded(database)
    assert moved.datastreams_of("canal") == ()
    assert not at_canal & set(moved.datastreams)
    await applied(database, canal_plan())
    assert {one.id for one in (await loaded(database)).datastreams_of("canal")} == at_canal


async def test_one_database_serves_one_city(database: str) -> None:
    await applied(database, canal_plan())
    other = replace(canal_plan(), city=City(id="utrecht", name="Utrecht", timezone="Europe/Amsterdam"))
    with pytest.raises(ServiceError, match="serves the city 'alkmaar', expected 'utrecht'"):
        await applied(database, other)


async def test_without_an_apply_there_is_no_model(database: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="livetwin apply"):
        await ModelSource(database, "alkmaar", tmp_path).load()


async def test_a_role_starts_from_the_copy_while_the_database_is_unavailable(
    database: str, tmp_path: Path, free_port: int
) -> None:
    await applied(database, canal_plan())
    model = await ModelSource(database, "alkmaar", tmp_path).load()
    away = f"postgresql://nobody@127.0.0.1:{free_port}/none"
    copy = await ModelSource(away, "alkmaar", tmp_path).load()
    assert copy == model
    with pytest.raises(ServiceError, match="no copy"):
        await ModelSource(away, "alkmaar", tmp_path / "empty").load()


async def test_an_old_copy_does_not_replace_a_database_without_a_model(database: str, tmp_path: Path) -> None:
    await applied(database, canal_plan())
    await ModelSource(database, "alkmaar", tmp_path).load()
    await fetch_nothing(database, "TRUNCATE city")
    with pytest.raises(ServiceError, match="has no city yet"):
        await ModelSource(database, "alkmaar", tmp_path).load()
    await fetch_nothing(database, "DROP TABLE city")
    with pytest.raises(ServiceError, match="livetwin migrate"):
        await ModelSource(database, "alkmaar", tmp_path).load()


async def test_a_damaged_copy_is_ignored(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "model-alkmaar.json").write_text('{"layout": 1, "vers')
    with pytest.raises(ServiceError, match="no copy"):
        await ModelSource(f"postgresql://x@127.0.0.1:{free_port}/x", "alkmaar", tmp_path).load()


async def test_a_newer_model_is_loaded(database: str, tmp_path: Path) -> None:
    await applied(database, canal_plan())
    source = ModelSource(database, "alkmaar", tmp_path)
    await source.load()
    waiting = asyncio.create_task(next_model(source))
    await applied(database, canal_plan(entity_name="renamed"))
    assert (await waiting).entities["canal"].name == "renamed"
    restarted = ModelSource("postgresql://x@127.0.0.1:1/x", "alkmaar", tmp_path)
    assert (await restarted.load()).version == 2


async def test_watching_survives_the_loss_of_its_connection(database: str, tmp_path: Path) -> None:
    await applied(database, canal_plan())
    source = ModelSource(database, "alkmaar", tmp_path)
    watching = source.watch()
    assert (await asyncio.wait_for(anext(watching), timeout=20)).version == 1
    waiting = asyncio.ensure_future(anext(watching))
    await fetch(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'livetwin-model'",
    )
    await applied(database, canal_plan(sensor_at="street", entity_name="x", with_second=False))
    assert (await asyncio.wait_for(waiting, timeout=20)).version == 2
    await watching.aclose()
