"""Two stream workers join, leave and are killed twenty times: every record has its update."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer, TopicPartition

from ingest.pipeline.publisher import new_producer
from runtime.kafka.consumer import new_consumer
from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from tests.support.cities.noise_city import noise_city
from tests.support.payloads.observation_records import encode_observations
from tests.support.processes.role_process import RoleProcess
from twin.instant import SECOND
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.messages import UPDATES, Update, partition_of

PARTITIONS = 4
STREETS = 16
REBALANCES = 20
SEED = 20261123
CATCH_UP_S_MAX = 60.0


@dataclass
class Traffic:
    """Writes observations all the time, reads every update, and counts both."""

    model: CityModel
    producer: AIOKafkaProducer
    sent: int = 0
    enough: bool = False
    last: dict[str, Observation] = field(default_factory=dict)
    updates: dict[tuple[str, int], Update] = field(default_factory=dict)
    contradictions: list[tuple[Update, Update]] = field(default_factory=list)
    has_changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self) -> None:
        """Send one observation in each record, about 200 records a second, each newer than the one before."""
        datastreams = list(self.model.datastreams.values())
        while not self.enough:
            datastream = datastreams[self.sent % len(datastreams)]
            time = self.sent * SECOND
            observation = Observation(datastream.id, time, time, float(20 + self.sent % 100))
            partition = partition_of(datastream.entity, PARTITIONS)
            await self.producer.send_and_wait(
                "observations", encode_observations([observation], time), partition=partition
            )
            self.sent += 1
            self.last[datastream.entity] = observation
            await asyncio.sleep(0.005)

    async def read(self, bootstrap: str) -> None:
        consumer = new_consumer(bootstrap)
        await consumer.start()
        try:
            partitions = [TopicPartition("updates", number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            while True:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        self._on_update(UPDATES.decode(record.value).updates)
        finally:
            await consumer.stop()

    def _on_update(self, updates: tuple[Update, ...]) -> None:
        for update in updates:
            known = self.updates.setdefault((update.entity, update.revision), update)
            if known != update:
                self.contradictions.append((known, update))
        self.has_changed.set()

    async def caught_up(self, workers: list[RoleProcess]) -> None:
        """Wait until everything that was sent until now has caused its update."""
        goal = self.sent
        try:
            async with asyncio.timeout(CATCH_UP_S_MAX):
                while len(self.updates) < goal:
                    self.has_changed.clear()
                    await self.has_changed.wait()
        except TimeoutError:
            logs = "\n\n".join(worker.log_tail() for worker in workers)
            raise AssertionError(
                f"{len(self.updates)} of {goal} updates after {CATCH_UP_S_MAX} s\n{logs}"
            ) from None


@asynccontextmanager
async def traffic(database: str, kafka: str) -> AsyncIterator[Traffic]:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, noise_city(STREETS))
        model = await load_model(connection, "town")
    producer = new_producer(kafka)
    await producer.start()
    flow = Traffic(model, producer)
    reading = asyncio.create_task(flow.read(kafka))
    try:
        yield flow
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await producer.stop()


async def test_no_update_is_lost_or_changed_over_twenty_rebalances(
    database: str, kafka: str, service_folder: Path
) -> None:
    dice = random.Random(SEED)
    workers = []
    for name in ("a", "b"):
        state_dir = service_folder / f"state-{name}"
        state_dir.mkdir()
        settings = {
            "CITY": "town",
            "KAFKA": kafka,
            "DATABASE": database,
            "STATE_DIR": str(state_dir),
            "SESSION_TIMEOUT_S": "2",
            "CHECKPOINT_INTERVAL_S": "2",
        }
        workers.append(RoleProcess("stream", settings, service_folder, f"stream-{name}"))
    async with traffic(database, kafka) as flow:
        await workers[0].start()
        writing = asyncio.create_task(flow.write())
        try:
            for _ in range(REBALANCES):
                worker, other = dice.sample(workers, 2)
                if not worker.running:
                    await worker.start()
                elif other.running:
                    await worker.stop(dice.choice([signal.SIGTERM, signal.SIGKILL]))
                else:
                    await other.start()
                await flow.caught_up(workers)
            flow.enough = True
            await writing
            await flow.caught_up(workers)
        finally:
            writing.cancel()
            for worker in workers:
                await worker.stop()
    assert flow.contradictions == []
    by_entity: dict[str, list[int]] = {}
    for entity, revision in flow.updates:
        by_entity.setdefault(entity, []).append(revision)
    for entity, revisions in by_entity.items():
        assert sorted(revisions) == list(range(1, len(revisions) + 1))
        newest = flow.updates[entity, len(revisions)]
        assert newest.observation == flow.last[entity]
    assert sum(len(revisions) for revisions in by_entity.values()) == flow.sent
