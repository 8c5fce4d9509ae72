"""The historian part of the case `sinks`: log records into a real database, by stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from benchmarks.load.log_records import LogLoad, LogStep, log_steps
from benchmarks.measure.bare_services import bare_database
from benchmarks.measure.stages import StageCosts, cpu_of
from benchmarks.measure.worker_process import BenchmarkError
from cli.embedded.postgres import EmbeddedPostgres
from cli.process.procfs import processes_of_data_dir
from runtime.gc_tuning import tune_gc
from storage.historian import batch_writer as batch_writer_module
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch
from storage.historian.metrics import HistorianMetrics
from storage.historian.update_buffer import UpdateBuffer

LOG = "bench-log"
HOLD_S = 3

WRITES = (
    "move_positions",
    "write_observations",
    "write_messages",
    "write_property_states",
    "write_datastream_states",
    "write_aggregates",
    "count_messages",
    "add_to_ledger",
)


class HistorianCost(NamedTuple):
    """The cost of the historian."""

    stages: dict[str, tuple[float, float]]  #: µs a message: in this process, and in PostgreSQL
    rate: float  #: messages a second, with both on this machine
    wal_bytes: float  #: a message
    stored_bytes: float  #: a message, of tables and indexes


async def measure_historian(load: LogLoad, count: int, transaction: int) -> HistorianCost:
    """Store `count` records, `transaction` at a time. Raises BenchmarkError when the ledger is wrong."""
    steps = list(log_steps(load, count))
    async with bare_database() as cluster:
        return await _store(cluster, steps, load, transaction)


async def _store(
    cluster: EmbeddedPostgres, steps: Sequence[LogStep], load: LogLoad, transaction: int
) -> HistorianCost:
    """Store all records; states are held as long as by the historian, in log time."""
    writer = BatchWriter(cluster.dsn(), HistorianMetrics())
    await writer.read_positions(LOG)
    server = processes_of_data_dir(cluster.data_dir)
    stages = StageCosts(server)
    stages.wrap(batch_writer_module, WRITES)
    wal = _place_of_wal(cluster.dsn())
    held, hold = UpdateBuffer(), HOLD_S * load.rate // load.record
    tune_gc()
    begun, own, others = time.perf_counter(), time.process_time_ns(), cpu_of(server)
    for first in range(0, len(steps), transaction):
        batch = LogBatch(LOG, update_buffer=held)
        with stages.stage("take in observations"):
            for step in steps[first : first + transaction]:
                batch.add(step.observations)
        with stages.stage("take in updates"):
            for step in steps[first : first + transaction]:
                batch.add(step.updates)
                if step.aggregates is not None:
                    batch.add(step.aggregates)
        if first // hold == (first + transaction) // hold and first + transaction < len(steps):
            batch.update_buffer = UpdateBuffer()
        else:
            held = UpdateBuffer()
        with stages.stage("transaction in all"):
            await writer.store(batch)
    messages = len(steps) * load.record
    rate = messages / (time.perf_counter() - begun)
    found = {name: _each(cost.own, cost.others, messages) for name, cost in stages.costs.items()}
    found["in all"] = _each(time.process_time_ns() - own, cpu_of(server) - others, messages)
    await writer.close()
    wal = _place_of_wal(cluster.dsn()) - wal
    return HistorianCost(found, rate, wal / messages, _stored(cluster.dsn(), messages) / messages)


def _each(own: int, others: int, messages: int) -> tuple[float, float]:
    return own / 1000 / messages, others / 1000 / messages


def _place_of_wal(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
    assert row is not None
    return int(row[0])


def _stored(dsn: str, messages: int) -> int:
    """Return the stored bytes. Raises BenchmarkError when observations are missing."""
    with psycopg.connect(dsn) as connection:
        counted = connection.execute("SELECT sum(received)::bigint, sum(new)::bigint FROM ledger").fetchone()
        size = connection.execute(
            "SELECT hypertable_size('observation') + hypertable_size('message_batch')"
        ).fetchone()
    if counted != (messages, messages):
        raise BenchmarkError(f"the ledger counts {counted} messages and new observations of {messages}")
    assert size is not None
    return int(size[0])
