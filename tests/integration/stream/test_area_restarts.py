"""Restarts with a new log change no point of the series of an area."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from storage.database import connect
from tests.support.cities.city_builder import CityBuilder
from tests.support.pipelines.derived_series import published_updates, series_of
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.support.pipelines.stored_run import StoredRun, store_datastreams
from twin.instant import HOUR, MINUTE, Instant, from_datetime, parse_instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation

START = parse_instant("2026-03-01T00:00:00Z")
HOURS = 40


def city() -> CityModel:
    builder = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity("town.north", "District")
        .entity("town.south", "District")
    )
    for number in range(6):
        entity = f"town.{'north' if number % 2 else 'south'}.s{number}"
        builder.entity(entity, "AirQualityStation").sensor(entity, entity, "pm2_5", "no2", interval=HOUR)
    return builder.model()


def hours(model: CityModel) -> list[list[Observation]]:
    """Return the observations of each hour; each station reports at a minute of its own, or not at all."""
    dice = Random(7)
    return [
        [
            Observation(id, time := START + hour * HOUR + id * MINUTE, time, round(dice.uniform(5, 60), 1), 0)
            for id in model.datastreams
            if dice.random() < 0.9
        ]
        for hour in range(HOURS)
    ]


async def stored_series(database: str) -> dict[tuple[str, str], dict[Instant, Any]]:
    async with await connect(database, role="test") as connection:
        rows = await (
            await connection.execute(
                "SELECT entity_id, name, phenomenon_time, value, flags, count FROM entity_value"
                " WHERE name LIKE 'area\\_%' AND value IS NOT NULL"
            )
        ).fetchall()
    found: dict[tuple[str, str], dict[Instant, Any]] = {}
    for entity, name, time, value, flags, count in rows:
        found.setdefault((entity, name), {})[from_datetime(time)] = round(value, 9), flags, count
    return found


async def test_restarts_in_the_middle_of_slots_change_no_value_of_an_area(database: str) -> None:
    model = city()
    whole = StagePipeline(model)
    await store_datastreams(model, database)
    run = StoredRun(model, database)
    dice = Random(3)
    try:
        for found in hours(model):
            half = dice.randrange(len(found) + 1)
            for part in (found[:half], found[half:]):
                for pipeline in (whole, run.pipeline):
                    if part:
                        pipeline.observe(*part)
                        pipeline.advance(pipeline.time + 10 * MINUTE, MINUTE)
                if dice.random() < 0.2:
                    await run.restart()
        await run.store()
    finally:
        await run.close()
    expected = {
        key: {time: (round(value, 9), flags, count) for time, (value, flags, count) in points.items()}
        for key, points in series_of(published_updates(whole)).items()
        if key[1].startswith("area_") and not any(math.isnan(one[0]) for one in points.values())
    }
    names = {name for _, name in expected}
    assert names >= {"area_pm2_5", "area_no2", "area_lki"}
    stored = await stored_series(database)
    observed = {key for key in expected if key[1] in ("area_pm2_5", "area_no2")}
    assert {key: stored.get(key) for key in observed} == {key: expected[key] for key in observed}
