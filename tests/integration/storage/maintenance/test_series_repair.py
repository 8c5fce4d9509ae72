"""Derived series that are computed again from storage equal those that the stream makes in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.maintenance import series_repair
from storage.maintenance.changed_series import request_series_of_datastream
from storage.maintenance.series_repair import repair_series
from storage.model.model_store import apply_plan, load_model
from storage.stores.log_positions import AGGREGATE_PROGRESS, UPDATE_PROGRESS
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.database.history_rows import (
    store_aggregates,
    store_assessments,
    store_observations,
    store_states,
)
from tests.support.database.role_accounts import as_owner, work_as
from tests.support.database.sent_repairs import SentRepairs
from tests.support.pipelines.derived_series import Series, published_updates, series_of
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, from_datetime, parse_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.messages import AGGREGATES

START = parse_instant("2026-03-01T00:00:00Z")
STATION, CANAL = "town.station", "town.canal"
MOVE_TO = "UPDATE log_position SET next_offset = %s WHERE partition = 1 AND topic = %s RETURNING 1"
NAMES = {STATION: ("lki", "eaqi", "pm2_5_24h"), CANAL: ("freeboard", "rate_of_rise")}


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def stored_city(connection: Connection) -> CityModel:
    plan = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity(STATION, "AirQualityStation", parent="town")
        .entity(CANAL, "Waterway", parent="town", attributes={"targetLevel": -0.6, "dangerLevel": -0.2})
        .sensor("air", STATION, Observed("pm2_5"), Observed("no2"), interval=HOUR)
        .sensor("gauge", CANAL, Observed("water_level"), interval=10 * MINUTE)
        .plan()
    )
    await apply_plan(connection, plan)
    await work_as(connection, "historian")
    return await load_model(connection, "town")


def measured(model: CityModel, days: int) -> list[Observation]:
    """Return values of all datastreams in order, with gaps."""
    dice, found = Random(1), []
    for datastream in model.datastreams.values():
        level = datastream.property == "water_level"
        for time in range(START, START + days * DAY, datastream.interval):
            if dice.random() < 0.9:
                value = dice.uniform(-0.6, -0.55) if level else dice.uniform(5, 40)
                found.append(Observation(datastream.id, time, time + MINUTE, value))
    return sorted(found, key=lambda one: (one.phenomenon_time, one.datastream))


async def played(connection: Connection, model: CityModel, observations: Sequence[Observation]) -> Series:
    """Store observations, windows and assessments as the stream makes them; return its series."""
    pipeline = StagePipeline(model, partitions=1)
    for observation in observations:
        pipeline.observe(observation)
    pipeline.advance(pipeline.time + 2 * DAY, step=HOUR)
    batches = [AGGREGATES.decode(value) for value in pipeline.records[topics.AGGREGATES, 0]]
    windows = {(one.size, one.datastream, one.start): one for batch in batches for one in batch.aggregates}
    flags = {one[:2]: tuple(one) for batch in batches for one in batch.assessments}
    await store_observations(connection, observations)
    await store_states(connection, observations)
    await store_aggregates(connection, windows.values())
    await store_assessments(connection, flags.values())  # type: ignore[arg-type]
    return {key: one for key, one in series_of(published_updates(pipeline)).items() if key[0] in NAMES}


async def rows(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    async with connection.transaction():
        return await (await connection.execute(statement, parameters)).fetchall()


async def request(connection: Connection, entity: str, name: str, days: range) -> None:
    async with connection.transaction():
        for day in days:
            await connection.execute(
                "INSERT INTO series_repair_request (entity_id, name, day, log_id, partition, log_offset) "
                "VALUES (%s, %s, %s, '', 0, -1)",
                (entity, name, to_datetime(START + day * DAY)),
            )


async def stored_series(connection: Connection) -> Series:
    found: Series = {}
    columns = "entity_id, name, phenomenon_time, value, flags, count"
    for entity, name, time, *value in await rows(
        connection, f"SELECT {columns} FROM entity_value WHERE value IS NOT NULL ORDER BY phenomenon_time"
    ):
        found.setdefault((entity, name), {})[from_datetime(time)] = tuple(value)
    return found


async def test_all_series_of_entities_are_computed_from_what_is_stored(connection: Connection) -> None:
    model = await stored_city(connection)
    expected = await played(connection, model, measured(model, 5))
    assert {key for key in expected if key[1] in NAMES[key[0]]} == {
        (entity, name) for entity, names in NAMES.items() for name in names
    }
    for entity in NAMES:
        await request(connection, entity, "", range(6))
    assert await repair_series(connection, model, SentRepairs()) == 12
    assert await stored_series(connection) == expected
    left = await rows(connection, "SELECT DISTINCT entity_id, name FROM series_repair_request ORDER BY name")
    assert ("town", "area_lki") in left
    assert {entity for entity, _ in left} == {"town"}, "areas follow; what is done is gone"


async def test_a_request_without_a_begin_is_one_for_each_day_with_inputs(connection: Connection) -> None:
    model = await stored_city(connection)
    found = [one for one in measured(model, 9) if not DAY <= one.phenomenon_time - START < 5 * DAY]
    expected = await played(connection, model, found)
    for entity in NAMES:
        await rows(
            connection,
            "INSERT INTO series_repair_request (entity_id, name, day, log_id, partition, log_offset) "
            "VALUES (%s, '', %s, '', 0, -1) RETURNING 1",
            entity,
            to_datetime(INSTANT_MIN),
        )
    assert await repair_series(connection, model, SentRepairs()) == 2
    requested = await rows(
        connection, "SELECT entity_id, day FROM series_repair_request WHERE name = '' ORDER BY entity_id, day"
    )
    days = [START + day * DAY for day in (0, 1, 5, 6, 7, 8, 9)]
    assert [(entity, from_datetime(day)) for entity, day in requested] == [
        (entity, day) for entity in sorted(NAMES) for day in days
    ]
    assert await repair_series(connection, model, SentRepairs()) == len(requested)
    assert await stored_series(connection) == expected


async def test_a_value_that_is_stored_while_a_series_is_repaired_stays(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await stored_city(connection)
    await played(connection, model, measured(model, 3))
    await request(connection, STATION, "lki", range(4))
    await repair_series(connection, model, SentRepairs())
    read = series_repair._read_inputs

    async def stored_meanwhile(*arguments: Any) -> Any:
        inputs = await read(*arguments)
        later = "UPDATE entity_value SET value = 77, revision = revision + 1 RETURNING 1"
        await rows(connection, later)
        return inputs

    monkeypatch.setattr(series_repair, "_read_inputs", stored_meanwhile)
    await request(connection, STATION, "lki", range(4))
    await repair_series(connection, model, SentRepairs())
    found = (await stored_series(connection))[STATION, "lki"]
    assert {value for value, _, _ in found.values()} == {77.0}


async def test_only_what_differs_is_written_and_a_newer_revision_stays(connection: Connection) -> None:
    model = await stored_city(connection)
    expected = await played(connection, model, measured(model, 3))
    await request(connection, STATION, "", range(4))
    await repair_series(connection, model, SentRepairs())
    index = expected[STATION, "lki"]
    wrong, lost = sorted(index)[5], sorted(index)[9]
    ghost = wrong + MINUTE
    await rows(
        connection,
        "UPDATE entity_value SET value = 99, revision = 7 WHERE name = 'lki' AND phenomenon_time = %s "
        "RETURNING 1",
        to_datetime(wrong),
    )
    async with as_owner(connection):
        await rows(
            connection,
            "DELETE FROM entity_value WHERE name = 'lki' AND phenomenon_time = %s RETURNING 1",
            to_datetime(lost),
        )
    await rows(
        connection,
        "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision) "
        "VALUES (%s, 'lki', %s, 1, 0, 1, 9) RETURNING 1",
        STATION,
        to_datetime(ghost),
    )
    await request(connection, STATION, "lki", range(4))
    sent = SentRepairs()
    assert await repair_series(connection, model, sent) == 4
    assert (await stored_series(connection))[STATION, "lki"] == index
    told = {one.phenomenon_time: one.value for one in sent.points}
    assert (told[wrong], told[lost]) == (index[wrong][0], index[lost][0])
    assert len(told) == 3, "the area of the entity may keep each of these slots"
    assert await rows(
        connection, "SELECT value, revision FROM entity_value WHERE revision > 0 ORDER BY revision"
    ) == [(index[wrong][0], 7), (None, 9)]


@pytest.mark.parametrize(
    ("state", "is_told"),
    [("newest", False), ("older", True), ("withdrawn", True), ("of-a-withdrawn-point", True)],
)
async def test_the_stream_is_told_where_a_state_is_not_the_newest_point(
    connection: Connection, state: str, is_told: bool
) -> None:
    """Also where the repair itself has changed nothing."""
    model = await stored_city(connection)
    await played(connection, model, measured(model, 3))
    await request(connection, STATION, "lki", range(4))
    await repair_series(connection, model, SentRepairs())
    points = (await stored_series(connection))[STATION, "lki"]
    newest, withdrawn = max(points), max(points) + HOUR
    value, time = {
        "newest": (points[newest][0], newest),
        "older": (points[min(points)][0], min(points)),
        "withdrawn": (float("nan"), newest),
        "of-a-withdrawn-point": (3.0, withdrawn),
    }[state]
    await rows(
        connection,
        "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision) "
        "VALUES (%s, 'lki', %s, NULL, 0, 0, 1) RETURNING 1",
        STATION,
        to_datetime(withdrawn),
    )
    await rows(
        connection,
        "INSERT INTO property_state (entity_id, property, revision, value, phenomenon_time, received_time, "
        "flags, datastream_ids) VALUES (%s, 'lki', 1, %s, %s, now(), 0, '{}') RETURNING 1",
        STATION,
        value,
        to_datetime(time),
    )
    await rows(connection, "DELETE FROM repaired_window RETURNING 1")
    await request(connection, STATION, "lki", range(1))
    assert await repair_series(connection, model, SentRepairs()) == 1
    told = await rows(connection, "SELECT count(*) FROM repaired_window WHERE size = 0")
    assert told == [(int(is_told),)]


async def test_a_repair_waits_until_all_is_stored_that_stored_values_were_computed_from(
    connection: Connection,
) -> None:
    model = await stored_city(connection)
    await played(connection, model, measured(model, 3))
    await request(connection, STATION, "lki", range(1))
    await request(connection, CANAL, "freeboard", range(1))
    await rows(
        connection,
        "UPDATE series_repair_request SET log_id = 'log', partition = 1, log_offset = 8 "
        "WHERE entity_id = %s RETURNING 1",
        CANAL,
    )
    stored = {topics.OBSERVATIONS: (9, 20), AGGREGATE_PROGRESS: (9, 8), UPDATE_PROGRESS: (9, 9)}
    for topic, offsets in stored.items():
        for partition, offset in enumerate(offsets):
            await rows(
                connection,
                "INSERT INTO log_position (log_id, topic, partition, next_offset) "
                "VALUES ('log', %s, %s, %s) RETURNING 1",
                topic,
                partition,
                offset,
            )
    assert await repair_series(connection, model, SentRepairs()) == 0, (
        "assessments of stored values are not stored"
    )
    await rows(connection, MOVE_TO, 9, AGGREGATE_PROGRESS)
    await rows(connection, MOVE_TO, 30, UPDATE_PROGRESS)
    assert await repair_series(connection, model, SentRepairs()) == 0, (
        "the next values are stored without them, too"
    )
    await rows(connection, MOVE_TO, 30, AGGREGATE_PROGRESS)
    assert await repair_series(connection, model, SentRepairs()) == 0, "their observations are not stored"
    await rows(connection, MOVE_TO, 30, topics.OBSERVATIONS)
    assert await repair_series(connection, model, SentRepairs()) == 2
    assert (await stored_series(connection)).keys() == {(STATION, "lki"), (CANAL, "freeboard")}


async def test_a_repair_of_changed_windows_waits_for_values_that_the_stream_had_of_them(
    connection: Connection,
) -> None:
    model = await stored_city(connection)
    played_index = (await played(connection, model, measured(model, 3)))[STATION, "lki"]
    stored = {topics.OBSERVATIONS: 30, AGGREGATE_PROGRESS: 20, UPDATE_PROGRESS: 12, topics.UPDATES: 50}
    for topic, offset in stored.items():
        await rows(
            connection,
            "INSERT INTO log_position (log_id, topic, partition, next_offset) "
            "VALUES ('log', %s, 1, %s) RETURNING 1",
            topic,
            offset,
        )
    source = next(one.id for one in model.datastreams_of(STATION))
    async with connection.transaction():
        await request_series_of_datastream(connection, source, (START, START + HOUR))
    assert await repair_series(connection, model, SentRepairs()) == 0, (
        "a value of the stream would replace the repaired one"
    )
    await rows(connection, MOVE_TO, 25, AGGREGATE_PROGRESS)
    await rows(connection, MOVE_TO, 20, UPDATE_PROGRESS)
    assert await repair_series(connection, model, SentRepairs()) > 0
    assert (await stored_series(connection))[STATION, "lki"].items() <= played_index.items()
    # Nothing follows from the newest windows.
    async with connection.transaction():
        await request_series_of_datastream(connection, source, (START, START + HOUR))
    assert await repair_series(connection, model, SentRepairs()) == 0
    long_ago = "SET updated_at = now() - interval '11 seconds' WHERE topic = %s RETURNING 1"
    await rows(connection, f"UPDATE log_position {long_ago}", topics.UPDATES)
    await rows(
        connection,
        "UPDATE series_repair_request SET requested_at = now() - interval '11 seconds' RETURNING 1",
    )
    assert await repair_series(connection, model, SentRepairs()) > 0


async def test_observations_that_the_stream_has_not_told_yet_are_left_to_it(connection: Connection) -> None:
    model = await stored_city(connection)
    found = measured(model, 3)
    expected = (await played(connection, model, found))[CANAL, "freeboard"]
    gauge = next(one.id for one in model.datastreams_of(CANAL))
    times = [one.phenomenon_time for one in found if one.datastream == gauge]
    # The stream may find them suspect: the assessments are stored later.
    untold = [Observation(gauge, times[-1] + n * MINUTE, times[-1] + n * MINUTE, -5.0) for n in (1, 2)]
    await store_observations(connection, untold)
    await request(connection, CANAL, "", range(4))
    assert await repair_series(connection, model, SentRepairs()) == 4
    assert (await stored_series(connection))[CANAL, "freeboard"] == expected
    told = "UPDATE datastream_state SET phenomenon_time = %s WHERE datastream_id = %s RETURNING 1"
    await rows(connection, told, to_datetime(untold[0].phenomenon_time), gauge)
    await request(connection, CANAL, "freeboard", range(2, 4))
    await repair_series(connection, model, SentRepairs())
    assert (await stored_series(connection))[CANAL, "freeboard"].keys() - expected.keys() == {
        untold[0].phenomenon_time
    }


async def test_what_retention_has_removed_changes_no_series(connection: Connection) -> None:
    model = await stored_city(connection)
    expected = await played(connection, model, measured(model, 3))
    for entity in NAMES:
        await request(connection, entity, "", range(4))
    await repair_series(connection, model, SentRepairs())
    await rows(connection, "DELETE FROM observation RETURNING 1")
    (gauge,) = (one.id for one in model.datastreams.values() if one.property == "water_level")
    await rows(
        connection,
        "INSERT INTO datastream_retention (datastream_id, raw_from) VALUES (%s, %s) RETURNING 1",
        gauge,
        to_datetime(START + 3 * DAY),
    )
    await request(connection, CANAL, "", range(4))
    assert await repair_series(connection, model, SentRepairs()) == 4
    assert await stored_series(connection) == expected
