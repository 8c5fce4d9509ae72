"""Windows that a repair has changed reach the stream over the log, each at least once."""

from __future__ import annotations

from runtime.kafka.topics import OBSERVATIONS, create_topics, partition_counts
from storage.database import connect
from storage.maintenance.recompute import recompute_hours
from storage.maintenance.repair import prepare_repairs
from storage.maintenance.window_feedback import send_repaired_windows
from storage.model.model_store import apply_plan, load_model
from tests.support.brokers.kafka_reader import read_until
from tests.support.cities.canal_city import canal_plan
from tests.support.database.history_rows import store_observations
from tests.support.services.service_source import PARTITIONS
from twin.instant import DAY, HOUR, MINUTE, parse_instant
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
