"""The worker with a minimal fake of Kafka: holes, replays, rebalances, an outdated model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import CollectorRegistry

from runtime.kafka import topics
from runtime.telemetry.tracing import RecordHeaders
from stream.engine.stage_seed import EMPTY_SEED, StageSeed
from stream.engine.transport import Confirmation
from stream.engine.worker import SEEK_BACK_TRIES_MAX, HoleError, StreamWorker
from stream.entities.entity_stage import EntityStageFactory
from stream.metrics import StreamMetrics
from stream.settings import StreamSettings
from tests.support.cities.small_cities import small_city
from tests.support.payloads.observation_records import encode_observations
from twin.instant import MINUTE
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    OBSERVATIONS,
    UPDATES,
    ObservationBatch,
    encode_closing,
    encode_verdicts,
    partition_of,
)

PARTITION = partition_of("town.canal", 4)


@dataclass
class Record:
    offset: int
    value: bytes
    partition: int = PARTITION
    acknowledged: bool = False
    headers: RecordHeaders = ()

    def acknowledge(self) -> None:
        self.acknowledged = True


@dataclass
class Log:
    """Stores sent and written records; confirms them at once, or later."""

    owned: bool = True
    recovered: bool = True
    first_offset: int = 0
    confirm: bool = True
    table: dict[bytes, bytes] = field(default_factory=dict)
    updates: list[bytes] = field(default_factory=list)
    seeks: list[int] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    sends: asyncio.Event = field(default_factory=asyncio.Event)  #: while it is not set, sending waits

    def __post_init__(self) -> None:
        self.sends.set()

    def owns(self, topic: str, partition: int) -> bool:
        return self.owned

    async def send(
        self, topic: str, partition: int, value: bytes, headers: RecordHeaders = ()
    ) -> Confirmation:
        await self.sends.wait()
        if topic == topics.UPDATES:
            self.updates.append(value)
        future = asyncio.get_running_loop().create_future()
        if self.confirm:
            future.set_result(None)
        else:
            self.waiting.append(future)
        return future

    def write_checkpoint(self, partition: int, key: bytes, value: bytes) -> Confirmation:
        self.table[key] = value
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def is_recovered(self) -> bool:
        return self.recovered

    def read_checkpoint(self, key: bytes) -> bytes | None:
        return self.table.get(key)

    async def seek_back(self, topic: str, partition: int, offset: int) -> bool:
        self.seeks.append(offset)
        return offset >= self.first_offset


def record(offset: int, *, datastream: int = 4) -> Record:
    time = offset * MINUTE
    return Record(offset, encode_observations([Observation(datastream, time, time, offset / 100)], time))


def make_worker(
    log: Log,
    *,
    model: CityModel | None = None,
    newer: CityModel | None = None,
    seed: StageSeed = EMPTY_SEED,
    settings: StreamSettings | None = None,
    seek_back_delay_s: float = 0.3,
) -> StreamWorker:
    model = model or small_city()

    async def reload() -> CityModel:
        return newer or model

    async def read_seed() -> StageSeed:
        return seed

    return StreamWorker(
        settings=settings or StreamSettings(),
        factory=EntityStageFactory("log-1", 4, 4, 5 * MINUTE),
        model=model,
        reload_model=reload,
        read_seed=read_seed,
        transport=log,
        metrics=StreamMetrics(CollectorRegistry()),
        seek_back_delay_s=seek_back_delay_s,
    )


def revisions(log: Log) -> list[int]:
    return [update.revision for value in log.updates for update in UPDATES.decode(value).updates]


async def test_a_record_is_acknowledged_by_the_checkpoint_that_covers_it() -> None:
    log = Log()
    worker = make_worker(log)
    taken = record(0)
    await worker.on_record(taken)
    assert not taken.acknowledged
    await worker.write_all_checkpoints()
    assert taken.acknowledged


async def test_no_checkpoint_while_an_update_is_unconfirmed() -> None:
    log = Log()
    worker = make_worker(log)
    await worker.on_record(record(0))
    await worker.write_all_checkpoints()
    log.confirm = False
    taken = record(1)
    await worker.on_record(taken)
    before = dict(log.table)
    writing = asyncio.create_task(worker.write_all_checkpoints())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log.table == before
    assert not taken.acknowledged
    for future in log.waiting:
        future.set_result(None)
    await writing
    assert taken.acknowledged
    assert log.table != before


async def test_a_due_checkpoint_is_spread_and_covers_the_records_before_it() -> None:
    log = Log()
    worker = make_worker(log, settings=StreamSettings(checkpoint_interval_s=1e-3))
    await worker.on_record(record(0))
    await worker.write_all_checkpoints()
    first, second = record(1), record(2)
    await worker.on_record(first)
    position = dict(log.table)
    while log.table == position:  # until the first entry of the next one is written
        await asyncio.sleep(0)
        await worker.write_due_checkpoints()
    await worker.on_record(second)
    while not first.acknowledged:  # noqa: ASYNC110 - the loop turns until the writer is done
        await asyncio.sleep(0)
    assert not second.acknowledged
    worker.drop_partitions()
    assert worker.position(PARTITION) == 1


async def test_no_checkpoint_entry_contains_a_record_with_half_of_its_updates_sent() -> None:
    log = Log()
    worker = make_worker(log)
    await worker.on_record(record(0))
    await worker.write_all_checkpoints()
    await worker.on_record(record(1))
    log.sends.clear()
    taking = asyncio.create_task(worker.on_record(record(2)))
    await asyncio.sleep(0)
    before = dict(log.table)
    writing = asyncio.create_task(worker.write_all_checkpoints())
    for _ in range(20):
        await asyncio.sleep(0)
    assert log.table == before
    log.sends.set()
    await asyncio.gather(taking, writing)
    assert log.table != before


async def test_the_worker_seeks_back_to_a_hole_and_closes_it() -> None:
    log = Log()
    worker = make_worker(log)
    await worker.on_record(record(0))
    await worker.on_record(record(2))
    assert log.seeks == [1]
    for offset in (1, 2):
        await worker.on_record(record(offset))
    assert revisions(log) == [1, 2, 3]


async def test_a_hole_that_the_log_cannot_fill_is_skipped() -> None:
    log = Log(first_offset=5)
    worker = make_worker(log)
    await worker.on_record(record(5))
    assert log.seeks == [0]
    assert revisions(log) == [1]


async def test_a_permanent_hole_ends_the_worker() -> None:
    worker = make_worker(Log(), seek_back_delay_s=0.0)
    for _ in range(SEEK_BACK_TRIES_MAX):
        await worker.on_record(record(7))
    with pytest.raises(HoleError, match="found offset 7, expected 0"):
        await worker.on_record(record(7))


async def test_after_a_rebalance_the_state_comes_from_the_checkpoint_and_revisions_repeat() -> None:
    log = Log()
    worker = make_worker(log)
    await worker.on_record(record(0))
    await worker.write_all_checkpoints()
    lost = record(1)
    await worker.on_record(lost)
    worker.drop_partitions()
    assert worker.position(PARTITION) == 0
    await worker.on_record(record(1))
    assert revisions(log) == [1, 2, 2]
    await worker.write_all_checkpoints()
    assert not lost.acknowledged


async def test_a_partition_of_another_worker_is_ignored() -> None:
    log = Log(owned=False)
    await make_worker(log).on_record(record(0))
    assert not log.updates
    assert not log.table


async def test_a_record_that_cannot_be_read_does_not_stop_the_partition() -> None:
    log = Log()
    worker = make_worker(log)
    await worker.on_record(Record(0, b"\xc1 not MessagePack"))
    await worker.on_record(Record(1, OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION + 1, (), 0))))
    await worker.on_record(record(2))
    assert revisions(log) == [1]


async def test_an_unknown_datastream_loads_a_newer_model() -> None:
    log = Log()
    old = small_city()
    bare = replace(old, version=0, sensors={}, datastreams={})
    worker = make_worker(log, model=bare, newer=old)
    await worker.on_record(record(0))
    assert worker.model.version == 1
    assert revisions(log) == [1]


async def test_the_end_of_the_log_loads_the_newest_model() -> None:
    """The next log does not know that the windows of this one were made by an older model."""
    model = small_city()
    worker = make_worker(Log(), model=model, newer=replace(model, version=model.version + 1))
    await worker.on_record(record(0))
    assert worker.model is model
    await worker.on_record(Record(1, encode_closing()))
    assert worker.model.version == model.version + 1


async def test_a_stored_observation_without_an_update_is_emitted_when_a_log_begins() -> None:
    log = Log()
    ahead = Observation(4, MINUTE, MINUTE, -0.4)
    seed = EMPTY_SEED._replace(
        observations=[Observation(4, 0, 0, -0.5), ahead],
        revisions={"town.canal": 7},
        properties={("town.canal", "water_level"): (-0.5, 0, 0, None)},
    )
    worker = make_worker(log, seed=seed)
    assert await worker.restore_assigned()
    (update,) = UPDATES.decode(log.updates[0]).updates
    assert (update.entity, update.revision, update.value) == ("town.canal", 8, -0.4)


async def test_a_worker_knows_that_the_log_closes_until_ingest_has_started_again() -> None:
    """Then its records are committed at once: the supervisor waits for that."""
    worker = make_worker(Log())
    verdict = NeighbourVerdict("town.canal", "water_level", "town", False, None, MINUTE)
    values = [record(0).value, encode_closing(), encode_verdicts([verdict], MINUTE), record(3).value]
    found = []
    for offset, value in enumerate(values):
        await worker.on_record(Record(offset, value))
        found.append(worker.is_closing)
    assert found == [False, True, True, False]


async def test_a_partition_does_not_begin_from_the_database_while_its_checkpoint_cannot_be_read() -> None:
    """In a rebalance a partition is assigned before the table of its checkpoints is complete."""
    ahead = Observation(4, MINUTE, MINUTE, -0.4)
    log = Log(recovered=False)
    worker = make_worker(log, seed=EMPTY_SEED._replace(observations=[ahead]))
    assert not await worker.restore_assigned()
    await worker.on_record(record(2))
    assert not log.updates
    assert not log.table
    log.recovered = True
    assert await worker.restore_assigned()
    assert len(log.updates) == 1


async def test_a_partition_that_is_lost_while_the_database_is_read_does_not_begin() -> None:
    log = Log()
    worker = make_worker(log, seed=EMPTY_SEED._replace(observations=[Observation(4, MINUTE, MINUTE, -0.4)]))

    async def read_seed() -> StageSeed:
        log.recovered = False  # the next rebalance has begun; its partitions are not revoked yet
        return EMPTY_SEED

    worker._read_seed = read_seed
    assert not await worker.restore_assigned()
    assert not log.table


async def test_no_record_is_applied_to_a_partition_that_was_lost_during_its_first_checkpoint() -> None:
    log = Log()
    worker = make_worker(log, seed=EMPTY_SEED._replace(observations=[Observation(4, MINUTE, MINUTE, -0.4)]))
    log.sends.clear()
    taking = asyncio.create_task(worker.on_record(record(2)))
    await asyncio.sleep(0)
    worker.drop_partitions()
    log.sends.set()
    await taking
    assert len(log.updates) == 1  # of the beginning alone
