"""kill -9 of the stream worker in the middle of windows: its output equals that of an uninterrupted run."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer, TopicPartition

from cli.embedded.kafka import EmbeddedKafka
from ingest.pipeline.publisher import new_producer
from runtime.kafka.consumer import new_consumer
from runtime.kafka.topics import AGGREGATES, OBSERVATIONS, UPDATES, create_topics, partition_counts
from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from tests.support.cities.busy_city import (
    ENTITIES_WITH_MICROPHONE,
    SLOTS,
    PartitionRecord,
    arriving_records,
    busy_city_plan,
    closing_records,
)
from tests.support.processes.role_process import RoleProcess
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.state.window import Aggregate
from twin.wire import messages
from twin.wire.messages import Assessment, Update, UpdateKind, WindowRepair

PARTITIONS = 4
SEED = 20261124
KILLS = 3
AHEAD = SLOTS // 6  # slots that wait in the log when the worker is killed
CHECKPOINT_RECORDS = "23"  # so that each kill leaves a checkpoint to restore, and records to replay
PUBLISHED_S_MAX = 60.0


@dataclass
class RunOutput:
    """The whole output of a run; a repeated record must have the same content."""

    aggregates: dict[tuple[int, Duration, Instant, int], Aggregate] = field(default_factory=dict)
    assessments: dict[tuple[int, Instant, int], Assessment] = field(default_factory=dict)
    repairs: set[tuple[int, int, WindowRepair]] = field(default_factory=set)  #: partition, offset, repair
    updates: dict[tuple[str, int], Update] = field(default_factory=dict)
    areas: dict[tuple[str, str], Update] = field(default_factory=dict)  #: the last of each rolled-up value
    contradictions: list[tuple[object, object]] = field(default_factory=list)
    again: int = 0  #: windows that a replay emitted again without a change
    reached: dict[int, Instant] = field(default_factory=dict)  #: log time that each partition has reached
    has_changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, topic: str, partition: int, value: bytes) -> None:
        if topic == UPDATES:
            for update in messages.UPDATES.decode(value).updates:
                self._take_update(update)
        else:
            batch = messages.AGGREGATES.decode(value)
            for aggregate in batch.aggregates:
                key = aggregate.datastream, aggregate.size, aggregate.start, aggregate.revision
                self.again += key in self.aggregates
                self._agree(self.aggregates.setdefault(key, aggregate), aggregate)
            for assessment in batch.assessments:
                known = self.assessments.setdefault(
                    (assessment.datastream, assessment.phenomenon_time, assessment.revision), assessment
                )
                self._agree(known, assessment)
            self.repairs.update((partition, batch.offset, one) for one in batch.repairs)
            self.reached[partition] = max(batch.time, self.reached.get(partition, batch.time))
        self.has_changed.set()

    def _take_update(self, update: Update) -> None:
        if not update.property.startswith(AREA_PREFIX):
            known = self.updates.setdefault((update.entity, update.revision), update)
            # A household's update has no value, and NaN does not equal itself.
            self._agree(repr(known), repr(update))
            return
        last = self.areas.get((update.entity, update.property))
        if update.kind is UpdateKind.AMENDMENT:
            return
        if last is None or update.revision > last.revision:
            self.areas[update.entity, update.property] = update

    def _agree(self, known: object, one: object) -> None:
        if known != one:
            self.contradictions.append((known, one))

    def last_windows(self) -> dict[tuple[int, Duration, Instant], Aggregate]:
        """Return the highest revision of each window."""
        return {key[:3]: one for key, one in sorted(self.aggregates.items(), key=lambda item: item[0])}

    def last_assessments(self) -> dict[tuple[int, Instant], int]:
        """Return the last flags of each observation."""
        return {key[:2]: one.flags for key, one in sorted(self.assessments.items())}

    def last_states(self) -> dict[tuple[str, str], str]:
        """Return the last update of each property of each entity, without its revision."""
        found = {}
        for _, update in sorted(self.updates.items(), key=lambda item: item[0]):
            found[update.entity, update.property] = repr((update.value, *_content(update)))
        return found

    def last_areas(self) -> dict[tuple[str, str], tuple[object, ...]]:
        """Return the last rolled-up values; several partitions contribute to them, in any order."""
        return {
            key: (update.value, update.phenomenon_time, update.flags, update.count, update.interval)
            for key, update in self.areas.items()
        }


def _content(one: Update) -> tuple[object, ...]:
    return (
        one.phenomenon_time,
        one.received_time,
        one.flags,
        one.datastreams,
        one.observation,
        one.kind,
        one.last_good,
        one.deviating,
        one.count,
        one.interval,
    )


@dataclass
class Run:
    """One log, one worker, and its output."""

    producer: AIOKafkaProducer
    worker: RoleProcess
    output: RunOutput

    async def write(self, slots: Iterable[Sequence[PartitionRecord]]) -> None:
        """Write records in order, and wait until the log has them."""
        sent: list[Awaitable[object]] = []
        for slot in slots:
            for partition, _, record in slot:
                sent.append(await self.producer.send(OBSERVATIONS, record, partition=partition))
        await asyncio.gather(*sent)

    async def until_emitted(self, time: Instant, partitions: Sequence[int] = range(PARTITIONS)) -> None:
        """Return when these partitions have emitted the output of all records up to a log time."""
        output = self.output
        try:
            async with asyncio.timeout(PUBLISHED_S_MAX):
                while any(output.reached.get(one, 0) < time for one in partitions):
                    output.has_changed.clear()
                    await output.has_changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"emitted until {output.reached}, not {time}\n{self.worker.log_tail()}"
            ) from None

    async def until_rolled_up(self, time: Instant) -> None:
        """Return when district and town contain the last measurement of every microphone.

        Other inputs of the areas come in the same records. The microphones have slots of a minute.
        """
        output, slot = self.output, time - time % MINUTE
        wanted = [(area, "area_noise_level") for area in ("town", "town.east")]
        async with asyncio.timeout(PUBLISHED_S_MAX):
            while any(
                (one := output.areas.get(key)) is None
                or (one.phenomenon_time, one.count) != (slot, ENTITIES_WITH_MICROPHONE)
                for key in wanted
            ):
                output.has_changed.clear()
                await output.has_changed.wait()

    async def kill(self) -> None:
        await self.worker.stop(signal.SIGKILL)
        await self.worker.start()


@asynccontextmanager
async def running(database: str, folder: Path) -> AsyncIterator[Run]:
    """Start a log and a worker without the state of another run."""
    broker = EmbeddedKafka(folder)
    await broker.start()
    settings = {
        "CITY": "town",
        "KAFKA": broker.bootstrap,
        "DATABASE": database,
        "STATE_DIR": str(folder),
        "SESSION_TIMEOUT_S": "1",
        "CHECKPOINT_RECORDS_MAX": CHECKPOINT_RECORDS,
    }
    worker = RoleProcess("stream", settings, folder)
    producer = new_producer(broker.bootstrap)
    output = RunOutput()
    try:
        await create_topics(broker.bootstrap, partition_counts(PARTITIONS))
        await producer.start()
        reading = asyncio.create_task(_read(broker.bootstrap, output))
        try:
            await worker.start()
            yield Run(producer, worker, output)
        finally:
            await worker.stop()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await producer.stop()
    finally:
        await broker.stop()


async def _read(bootstrap: str, output: RunOutput) -> None:
    consumer = new_consumer(bootstrap)
    await consumer.start()
    try:
        wanted = [TopicPartition(topic, n) for topic in (AGGREGATES, UPDATES) for n in range(PARTITIONS)]
        consumer.assign(wanted)
        for partition in wanted:
            consumer.seek(partition, 0)
        while True:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    output.take(place.topic, place.partition, record.value)
    finally:
        await consumer.stop()


async def uninterrupted(
    run: Run, slots: list[list[PartitionRecord]], ends: Sequence[list[PartitionRecord]]
) -> None:
    await run.write(slots)
    for end in ends:
        await run.write([end])
        await run.until_emitted(end[0].time)
    await run.until_rolled_up(ends[-1][0].time)


async def interrupted(
    run: Run, slots: list[list[PartitionRecord]], ends: Sequence[list[PartitionRecord]], dice: random.Random
) -> None:
    """Kill when a random slot was emitted and many more wait, and again when all were emitted."""
    written = 0
    for blow in sorted(dice.sample(range(SLOTS // 20, SLOTS - 2 * AHEAD), KILLS)):
        await run.write(slots[written : blow + AHEAD])
        written = max(written, blow + AHEAD)
        await run.until_emitted(slots[blow][0].time, [dice.randrange(PARTITIONS)])
        await run.kill()
    await run.write(slots[written:])
    for end in ends:
        await run.write([end])
        await run.until_emitted(end[0].time)
        if end is not ends[-1]:
            await run.kill()
    await run.until_rolled_up(ends[-1][0].time)


async def test_a_worker_killed_in_the_middle_of_windows_has_the_output_of_an_uninterrupted_one(
    database: str, service_folder: Path
) -> None:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, busy_city_plan())
        model = await load_model(connection, "town")
    slots = arriving_records(model, SEED, PARTITIONS)
    last = slots[-1][0].time
    ends = [closing_records(model, last + hours * HOUR, PARTITIONS) for hours in (2, 4)]
    for name in ("whole", "killed"):
        (service_folder / name).mkdir(mode=0o755)
    async with running(database, service_folder / "whole") as run:
        await uninterrupted(run, slots, ends)
        whole = run.output
    async with running(database, service_folder / "killed") as run:
        await interrupted(run, slots, ends, random.Random(SEED))
        killed = run.output
    assert killed.again > 0, "no kill came in the middle: nothing was emitted twice"
    assert (whole.contradictions, killed.contradictions) == ([], [])
    assert killed.last_windows() == whole.last_windows()
    assert killed.last_assessments() == whole.last_assessments()
    assert killed.last_states() == whole.last_states()
    assert killed.last_areas() == whole.last_areas()
    # More than the promise: log time is the same, and so is every revision in between.
    assert killed.aggregates == whole.aggregates
    assert killed.assessments == whole.assessments
    assert killed.repairs == whole.repairs
    assert {key: repr(one) for key, one in killed.updates.items()} == {
        key: repr(one) for key, one in whole.updates.items()
    }
    _check_that_the_input_is_demanding(whole, model)


def _check_that_the_input_is_demanding(output: RunOutput, model: CityModel) -> None:
    """The input of the town causes every kind of output."""
    last = output.last_windows()
    assert {size for _, size, _ in last} == {HOUR // 60, HOUR // 6, HOUR}
    assert len(output.aggregates) > len(last) + 100, "hardly any window was amended"
    assert any(one.suspect for one in last.values())
    assert {model.datastreams[one.datastream].property for _, _, one in output.repairs} >= {"noise_level"}
    assert len(output.assessments) > len(output.last_assessments()) > 20
    assert {"area_pm2_5", "area_noise_level", "area_power_import"} <= {name for _, name in output.areas}
    assert {"lki", "power_import"} <= {one.property for one in output.updates.values()}
