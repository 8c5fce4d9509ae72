"""A checkpoint of many entities, with buckets above Kafka's default of a megabyte, is written and read."""

from __future__ import annotations

from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from runtime.kafka.topics import OBSERVATIONS, UPDATES, create_topics, partition_counts
from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from tests.support.brokers.kafka_reader import read_until
from tests.support.cities.noise_city import noise_city
from tests.support.processes.role_process import RoleProcess
from tests.support.services.service_source import PARTITIONS
from twin.instant import MINUTE, SECOND
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS as OBSERVATIONS_CODEC
from twin.wire.messages import UPDATES as UPDATES_CODEC
from twin.wire.messages import ObservationBatch, partition_of

READINGS = 40
PARTITION = partition_of("town.street-0", PARTITIONS)
# A quarter of them is in one partition: at least 1.2 MB.
STREETS = 4_800


def datastreams_of_partition(model: CityModel) -> list[Datastream]:
    """Return the datastreams of the partition."""
    return [one for one in model.datastreams.values() if partition_of(one.entity, PARTITIONS) == PARTITION]


async def send_values(kafka: str, model: CityModel, minutes: range) -> None:
    """Send a value of every datastream of the partition for each of these minutes."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for minute in minutes:
            time = minute * MINUTE
            found = tuple(
                Observation(one.id, time, time, 50.0 + minute % 7) for one in datastreams_of_partition(model)
            )
            record = OBSERVATIONS_CODEC.encode(ObservationBatch(LAYOUT_VERSION, found, time + SECOND))
            await producer.send_and_wait(OBSERVATIONS, record, partition=PARTITION)
    finally:
        await producer.stop()


def streets_updated(records: list[ConsumerRecord], minute: int) -> int:
    """Return how many streets have emitted an update for a minute, which is the last one."""
    updates = [update for one in records[-20:] for update in UPDATES_CODEC.decode(one.value).updates]
    wanted = {
        update.entity
        for update in updates
        if update.phenomenon_time == minute * MINUTE and update.property == "noise_level"
    }
    return len(wanted)


async def test_a_bucket_of_more_than_a_megabyte_is_restored(
    kafka: str, database: str, tmp_path: Path
) -> None:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, noise_city(STREETS))
        model = await load_model(connection, "town")
    streets = len(datastreams_of_partition(model))
    await create_topics(kafka, partition_counts(PARTITIONS))
    settings = {
        "CITY": "town",
        "KAFKA": kafka,
        "DATABASE": database,
        "STATE_DIR": str(tmp_path),
        "BUCKETS": "1",
    }
    worker = RoleProcess("stream", settings, tmp_path)
    await worker.start()
    try:
        await send_values(kafka, model, range(READINGS))
        await read_until(
            kafka, UPDATES, PARTITIONS, lambda found: streets_updated(found, READINGS - 1) == streets
        )
        await worker.stop()
        assert "no checkpoint before the stop" not in worker.log.read_text()
        await worker.start()
        await send_values(kafka, model, range(READINGS, READINGS + 1))
        records = await read_until(
            kafka, UPDATES, PARTITIONS, lambda found: streets_updated(found, READINGS) == streets
        )
    finally:
        await worker.stop()
    revisions = [
        update.revision
        for record in records
        for update in UPDATES_CODEC.decode(record.value).updates
        if update.entity == "town.street-0" and update.property == "noise_level"
    ]
    assert revisions == list(range(1, READINGS + 2)), "the state was not restored from the checkpoint"
