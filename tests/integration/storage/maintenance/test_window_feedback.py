"""Windows that a repair has changed, and the newest points, reach the stream over the log at least once."""

from __future__ import annotations

import math

from runtime.kafka.topics import OBSERVATIONS, create_topics, partition_counts
from storage.database import Connection, connect
from storage.maintenance.recompute import recompute_hours
from storage.maintenance.repair import prepare_repairs
from storage.maintenance.series_repair import repair_series
from storage.maintenance.window_feedback import read_points, send_repaired_windows
from storage.model.model_store import apply_plan, load_model
from tests.support.brokers.kafka_reader import read_until
from tests.support.cities.canal_city import canal_plan
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.database.history_rows import store_observations
from tests.support.database.sent_repairs import SentRepairs
from tests.support.services.service_source import PARTITIONS
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire import messages
from twin.wire.messages import partition_of

NOON = parse_instant("2026-06-01T12:00:00Z")


async def test_repaired_windows_of_the_last_days_are_sent_once(database: str, kafka: str) -> None:
    await create_topics(kafka, partition_counts(PARTITIONS))
    async with await connect(database, role="test") as connection:
        await prepare_repairs(connection)
        await apply_plan(connection, canal_plan())
        model = await load_model(connection, "alkmaar")
        gauge = next(one for one in model.datastreams.values() if one.property == "water_level")
        times = (*range(NOON - 5 * DAY, NOON - 5 * DAY + HOUR, MINUTE), *range(NOON, NOON + HOUR, MINUTE))
        await store_observations(
            connection, [Observation(gauge.id, time, time, time // MINUTE % 3 / 100 - 0.5) for time in times]
        )
        for start in (NOON, NOON - 5 * DAY):
            async with connection.transaction():
                await recompute_hours(connection, model.properties, gauge.id, (start, start + HOUR), 1)
        assert await send_repaired_windows(connection, model, kafka, PARTITIONS) > 0
        assert await send_repaired_windows(connection, model, kafka, PARTITIONS) == 0
    records = await read_until(kafka, OBSERVATIONS, PARTITIONS, lambda found: len(found) >= 2)
    assert {record.partition for record in records} == {partition_of(gauge.entity, PARTITIONS)}
    batch, past = (messages.OBSERVATIONS.decode(record.value) for record in records)
    assert [(one.datastream, len(one.received)) for one in past.histories] == [(gauge.id, 64)]
    assert past.histories[0].preceding is not None
    assert (batch.observations, {one.datastream for one in batch.aggregates}) == ((), {gauge.id})
    hours = [one for one in batch.aggregates if one.size == HOUR]
    assert [(one.start, one.count, one.suspect) for one in hours] == [(NOON, 60, 0)]


async def test_repaired_windows_wait_while_the_database_has_a_newer_model(database: str, kafka: str) -> None:
    await create_topics(kafka, partition_counts(PARTITIONS))
    async with await connect(database, role="test") as connection:
        await prepare_repairs(connection)
        await apply_plan(connection, canal_plan())
        before = await load_model(connection, "alkmaar")
        gauge = next(one for one in before.datastreams.values() if one.property == "water_level")
        await store_observations(
            connection, [Observation(gauge.id, time, time, 0.1) for time in range(NOON, NOON + HOUR, MINUTE)]
        )
        async with connection.transaction():
            await recompute_hours(connection, before.properties, gauge.id, (NOON, NOON + HOUR), 1)
        await apply_plan(connection, canal_plan(entity_name="Ring canal"))
        after = await load_model(connection, "alkmaar")
        assert after.version > before.version
        assert await send_repaired_windows(connection, before, kafka, PARTITIONS) == 0
        assert await send_repaired_windows(connection, after, kafka, PARTITIONS) > 0


async def compute_hours(connection: Connection, model: CityModel, datastream: int, first: Instant) -> None:
    """Let storage compute a day, and what is derived from it."""
    async with connection.transaction():
        await recompute_hours(connection, model.properties, datastream, (first, first + DAY), 1)
    while await repair_series(connection, model, SentRepairs()):
        pass


async def test_newest_points_are_sent_when_one_has_changed_that_is_not_before_the_state(
    database: str, kafka: str
) -> None:
    await create_topics(kafka, partition_counts(PARTITIONS))
    plan = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity("town.station", "AirQualityStation", parent="town")
        .sensor("air", "town.station", Observed("pm2_5"), interval=HOUR)
        .plan()
    )
    async with await connect(database, role="test") as connection:
        await prepare_repairs(connection)
        await apply_plan(connection, plan)
        model = await load_model(connection, "town")
        (id,) = model.datastreams
        times = range(NOON, NOON + 4 * DAY, HOUR)
        await store_observations(
            connection, [Observation(id, time, time, 10.0 + time // HOUR % 7) for time in times]
        )
        await compute_hours(connection, model, id, NOON + 3 * DAY)
        while await send_repaired_windows(connection, model, kafka, PARTITIONS):
            pass
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO property_state (entity_id, property, revision, value, phenomenon_time, "
                "received_time, flags, datastream_ids) "
                "SELECT entity_id, name, 1, max(value), max(phenomenon_time), now(), 0, '{}' "
                "FROM entity_value WHERE entity_id = 'town.station' GROUP BY entity_id, name"
            )
        await compute_hours(connection, model, id, NOON)
        async with connection.transaction():
            noted = await connection.execute("SELECT count(*) FROM repaired_window WHERE size = 0")
            assert await noted.fetchall() == [(0,)]
    records = await read_until(
        kafka,
        OBSERVATIONS,
        PARTITIONS,
        lambda found: any(messages.OBSERVATIONS.decode(one.value).points for one in found),
    )
    (points,) = (found for one in records if (found := messages.OBSERVATIONS.decode(one.value).points))
    assert {(one.entity, one.name, one.phenomenon_time) for one in points} == {
        ("town.station", name, NOON + 4 * DAY) for name in ("lki", "eaqi", "pm2_5_24h")
    }


async def test_withdrawn_points_are_sent_before_the_newest_one(database: str) -> None:
    plan = CityBuilder().entity("town", "Municipality").entity("town.a", "AirQualityStation", parent="town")
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan.sensor("air", "town.a", Observed("pm2_5"), interval=HOUR).plan())
        model = await load_model(connection, "town")
        stored = [(NOON, 3.0), (NOON + HOUR, 4.0), (NOON + 2 * HOUR, math.nan), (NOON + 3 * HOUR, None)]
        async with connection.transaction():
            for time, value in stored:
                await connection.execute(
                    "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, "
                    "revision) VALUES ('town.a', 'lki', %s, %s, 0, 1, 1)",
                    (to_datetime(time), value),
                )
        points = await read_points(connection, model.datastreams, model)
    assert [one.phenomenon_time - NOON for one in points] == [3 * HOUR, 2 * HOUR, HOUR]
    assert [math.isnan(one.value) for one in points] == [True, True, False]
