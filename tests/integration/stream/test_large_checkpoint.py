"""A checkpoint of many entities, with buckets larger than Kafka's default of a megabyte, is kept and read."""

from __future__ import annotations

from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from runtime.topics import OBSERVATIONS, UPDATES, create_topics, partition_counts
from storage.database import connect
from storage.model_store import apply, load
from tests.conftest import PARTITIONS
from tests.kafka_reader import read_until
from tests.role_process import RoleProcess
from twin.codec import VERSION
from twin.entity import Entity
from twin.instant import MINUTE, SECOND
from twin.messages import OBSERVATIONS as OBSERVATIONS_CODEC
from twin.messages import UPDATES as UPDATES_CODEC
from twin.messages import ObservationBatch, partition_of
from twin.model import City, CityModel, CityPlan
from twin.observation import Observation
from twin.sensor import Datastream, Sensor

SITES = 1_200
READINGS = 40
PARTITION = partition_of("town.site-0", PARTITIONS)


def city() -> CityPlan:
    """Return a town of which one partition alone has a bucket of more than a megabyte."""
    names = [one for n in range(40_000) if partition_of(one := f"town.site-{n}", PARTITIONS) == PARTITION]
    names = names[:SITES]
    root = Entity(id="town", type="Municipality", name="Town")
    return CityPlan(
        city=City(id="town", name="Town", timezone="Europe/Amsterdam"),
        entities=(root, *(Entity(id=one, type="MonitoringSite", name=one, parent="town") for one in names)),
        sensors=tuple(
            Sensor(id=one, feed="native", device=one, entity=one, interval=MINUTE) for one in names
        ),
        datastreams=tuple(
            Datastream(
                id=0,
                sensor=one,
                entity=one,
                property="co2",
                field="co2",
                unit="ppm",
                scale=1.0,
                offset=0.0,
                interval=MINUTE,
            )
            for one in names
        ),
    )


async def say(kafka: str, model: CityModel, minutes: range) -> None:
    """Have every datastream tell a value for each of these minutes."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for minute in minutes:
            time = minute * MINUTE
            found = tuple(Observation(id, time, time, 400.0 + minute % 7) for id in sorted(model.datastreams))
            record = OBSERVATIONS_CODEC.encode(ObservationBatch(VERSION, found, time + SECOND))
            await producer.send_and_wait(OBSERVATIONS, record, partition=PARTITION)
    finally:
        await producer.stop()


def told(records: list[ConsumerRecord], minute: int) -> int:
    """Return how many sites have told what they measured in a minute, which is the last one."""
    updates = [update for one in records[-20:] for update in UPDATES_CODEC.decode(one.value).updates]
    wanted = {
        one.entity for one in updates if one.phenomenon_time == minute * MINUTE and one.property == "co2"
    }
    return len(wanted)


async def test_a_bucket_of_more_than_a_megabyte_is_restored(
    kafka: str, database: str, tmp_path: Path
) -> None:
    async with await connect(database, role="test") as connection:
        await apply(connection, city())
        model = await load(connection, "town")
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
        await say(kafka, model, range(READINGS))
        await read_until(kafka, UPDATES, PARTITIONS, lambda found: told(found, READINGS - 1) == SITES)
        await worker.end()
        assert "no checkpoint on the way out" not in worker.log.read_text()
        await worker.start()
        await say(kafka, model, range(READINGS, READINGS + 1))
        records = await read_until(kafka, UPDATES, PARTITIONS, lambda found: told(found, READINGS) == SITES)
    finally:
        await worker.end()
    revisions = [
        update.revision
        for one in records
        for update in UPDATES_CODEC.decode(one.value).updates
        if update.entity == model.datastreams[1].entity and update.property == "co2"
    ]
    assert revisions == list(range(1, READINGS + 2)), "the state did not go on from the checkpoint"
