"""The simulations' in-memory database matches the real one, for the log of a run."""

from __future__ import annotations

import pytest

from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.maintenance.repair import prepare_repairs, repair_hours
from storage.model.model_store import apply_plan, load_model
from storage.stores.ledger import read_balance
from storage.stores.log_positions import AGGREGATE_PROGRESS
from tests.simulation.scenario import Scenario
from tests.simulation.simulated_city import SimulatedCity
from tests.simulation.system.model_database import STORED_TOPICS, ModelDatabase
from tests.simulation.system.model_repair import run_repairs
from tests.simulation.system.simulated_log import SimulatedLog
from tests.support.cities.city_builder import plan_of
from tests.support.database.historian import fetch_rows, stored_observations
from twin.instant import HOUR, MINUTE, from_datetime

TABLES = {MINUTE: "aggregate_minute", 10 * MINUTE: "aggregate_ten_minutes", HOUR: "aggregate_hour"}


# Seed 11 has replays after crashes that repeat much earlier observations.
@pytest.mark.parametrize("seed", [0, 11])
async def test_the_same_log_yields_the_same_tables_and_repairs(database: str, seed: int) -> None:
    scenario = Scenario(seed=seed, new_model=False, log_loss=False)
    city = SimulatedCity(scenario)
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(city.model))
        stored = await load_model(connection, "town")
        numbers = {(one.sensor, one.property): one.id for one in stored.datastreams.values()}
        renumbered = {(one.sensor, one.property): one.id for one in city.model.datastreams.values()}
        assert numbers == renumbered
        city.run()
        modelled = ModelDatabase()
        writer = BatchWriter(database, HistorianMetrics())
        try:
            await store(database, city.logs[-1], writer, modelled)
        finally:
            await writer.close()
        await same_tables(database, modelled)
        await prepare_repairs(connection)
        while await repair_hours(connection, stored.properties):
            pass
        while run_repairs(modelled, city.model):
            pass
        await same_tables(database, modelled)
        ledger = (await read_balance(connection)).counts
    assert (ledger.received, ledger.accepted, ledger.quarantined) == (
        modelled.ledger.received,
        modelled.ledger.accepted,
        modelled.ledger.quarantined,
    )
    assert ledger.values[3:7] == modelled.ledger.values[3:7]


async def store(database: str, log: SimulatedLog, writer: BatchWriter, modelled: ModelDatabase) -> None:
    """Store the log in both databases, each partition in its own transactions."""
    for topic, partition in log.partitions():
        if topic not in STORED_TOPICS:
            continue
        for begin in range(0, log.end(topic, partition), 7):
            batch = LogBatch(log.identity)
            for offset in range(begin, min(begin + 7, log.end(topic, partition))):
                batch.add(LogRecord(topic, partition, offset, 0, log.read(topic, partition, offset)))
            await writer.store(batch)
            modelled.store_records(log, topic, partition, 7)
            # A replay repeats earlier observations: the position that stored windows reach does not go back.
            assert await reached(database) == modelled.derived_to


async def reached(database: str) -> dict[tuple[str, int], int]:
    """Return the position in `observations` that stored windows reach, by log and partition."""
    async with await connect(database, role="test") as connection:
        rows = await connection.execute(
            "SELECT log_id, partition, next_offset - 1 FROM log_position WHERE topic = %s",
            (AGGREGATE_PROGRESS,),
        )
        return {(log, partition): offset for log, partition, offset in await rows.fetchall()}


async def same_tables(database: str, modelled: ModelDatabase) -> None:
    """Compare every table of the in-memory database."""
    assert await stored_observations(database) == sorted(modelled.observations.values())
    for size, table in TABLES.items():
        rows = await fetch_rows(
            database,
            "SELECT datastream_id, start, revision, count, suspect, flags, minimum, maximum, mean, sum, "
            f"first, last FROM {table}",
        )
        expected = {
            (aggregate.datastream, aggregate.start): (
                *(
                    aggregate.revision,
                    aggregate.count,
                    aggregate.suspect,
                    aggregate.flags,
                    aggregate.minimum,
                    aggregate.maximum,
                    aggregate.mean,
                ),
                *(aggregate.total, aggregate.first, aggregate.last),
            )
            for aggregate in modelled.aggregates.values()
            if aggregate.size == size
        }
        assert {(row[0], from_datetime(row[1])): row[2:] for row in rows} == expected
    rows = await fetch_rows(
        database, "SELECT datastream_id, phenomenon_time, flags, revision FROM assessment"
    )
    judged = {(row[0], from_datetime(row[1])): row[2:] for row in rows}
    assert judged == {key: (one.flags, one.revision) for key, one in modelled.assessments.items()}
    rows = await fetch_rows(
        database, "SELECT entity_id, property, revision, value, flags FROM property_state"
    )
    states = {row[:2]: row[2:] for row in rows}
    assert states == {key: (one.revision, one.value, one.flags) for key, one in modelled.updates.items()}
    rows = await fetch_rows(database, "SELECT datastream_id, start, log_offset FROM repair_request")
    asked = {(row[0], from_datetime(row[1])): row[2] for row in rows}
    assert asked == {hour: one.log_offset for hour, (_, one) in modelled.repairs.items()}
