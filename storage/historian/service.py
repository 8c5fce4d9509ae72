"""The historian: everything that is on the log, into the database, its offsets in the same transaction.

At least once from the log and idempotent into the tables: each observation is there once, whatever crashed.
Several divide the partitions. Beside it run the relay of replays, whose outbox is in the database, and the
announcer of what is stored.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from runtime.cancellation import raise_if_cancelled
from runtime.clock import system_clock
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import log_identity
from runtime.kafka.topics import create_topics, partition_counts
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from runtime.telemetry.tracing import BatchSpans, Tracer
from storage.historian.audit import run_audits
from storage.historian.batch_writer import BatchWriter, PositionConflictError
from storage.historian.log_batch import LogBatch
from storage.historian.log_reader import KAFKA_UNAVAILABLE, LogReader
from storage.historian.metrics import HistorianMetrics
from storage.historian.partition_assignment import AssignmentTracker
from storage.historian.position_publisher import PositionPublisher
from storage.historian.replay_relay import run_replay_relay
from storage.settings import HistorianSettings
from twin.errors import ServiceError
from twin.instant import Instant

log = logging.getLogger(__name__)

IDENTITY_CHECK_S = 1.0
RETRY_S = 0.5
STOP_S = 1.0

# A transaction with more followed messages than this tells of the first ones.
TRACED_MESSAGES_MAX = 32


async def run_historian(settings: HistorianSettings, tracer: Tracer | None = None) -> None:
    """Store what is on the log, until cancelled; waits for Kafka and for the database where one is away."""
    metrics = HistorianMetrics(new_registry())
    announcer = PositionPublisher(settings.kafka_access())
    shares = AssignmentTracker(settings.database.get_secret_value(), settings.city)
    serve_metrics(metrics.registry, settings.metrics_host, settings.metrics_port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_store_continuously(settings, metrics, announcer, shares, tracer), name="historian")
        tasks.create_task(shares.run(), name="share")
        tasks.create_task(announcer.run(), name="stored positions")
        tasks.create_task(run_replay_relay(settings, metrics), name="replays")
        tasks.create_task(run_audits(settings, metrics, system_clock), name="audits")


async def _store_continuously(
    settings: HistorianSettings,
    metrics: HistorianMetrics,
    announcer: PositionPublisher,
    shares: AssignmentTracker,
    tracer: Tracer | None,
) -> None:
    archive = BatchWriter(settings.database.get_secret_value(), metrics)
    try:
        while True:
            log_id = await _wait_for_log_identity(settings.kafka_access())
            try:
                await _store_log(settings, archive, metrics, announcer, shares, log_id=log_id, tracer=tracer)
            except PositionConflictError as error:
                log.info("%s; reading starts again where the database is", error)
                await asyncio.sleep(RETRY_S)
            except (*KAFKA_UNAVAILABLE, ServiceError) as error:
                raise_if_cancelled()
                log.warning("Kafka went away, reading starts again where the database is: %r", error)
                await asyncio.sleep(RETRY_S)
    finally:
        await archive.close()


async def _wait_for_log_identity(kafka: Kafka) -> str:
    """Return the log's identity; wait for Kafka as long as it takes."""
    while True:
        try:
            return await log_identity(kafka)
        except ServiceError as error:
            raise_if_cancelled()
            log.warning("%s", error)


async def _store_log(
    settings: HistorianSettings,
    archive: BatchWriter,
    metrics: HistorianMetrics,
    announcer: PositionPublisher,
    shares: AssignmentTracker,
    *,
    log_id: str,
    tracer: Tracer | None,
) -> None:
    """Store our share of one log; return when another log stands in its place, or the share is another.

    Raises PositionConflictError when somebody else stores the same partitions.

    Records that were read are stored before that, under the identity of the log they were read for. So are
    updates that are held when Kafka goes away: it may come back empty.
    """
    kafka = settings.kafka_access()
    await create_topics(kafka, partition_counts(settings.partitions))
    share = await shares.current()
    positions = share.filter_positions(await archive.read_positions(log_id))
    announcer.start_log(log_id, positions)
    reader = LogReader(settings, log_id, metrics, share, traced=tracer is not None)
    stopping = asyncio.Event()
    replaced = asyncio.create_task(_wait_for_new_log(kafka, log_id, stopping))
    try:
        await reader.start(positions)
        metrics.logs.inc()
        log.info("following log %s from %s", log_id, positions or "its beginning")
        notify_ready()
        while not replaced.done() and share == await shares.current():
            batch = await reader.read_batch()
            raise_if_cancelled()
            if batch.next_offsets:
                metrics.set_oldest_unstored(_instant(batch.oldest_ms))
                await _store_traced(archive, batch, tracer)
                announcer.on_stored(batch.next_offsets)
            lag = reader.lag()
            metrics.lag.set(lag)
            # What comes next is no older than what was stored last, or nearly so.
            metrics.set_oldest_unstored(_instant(batch.newest_ms) if lag else None)
        await _store_held(archive, reader)
        if replaced.done():
            log.warning("log %s was replaced by %s", log_id, replaced.result())
    except KAFKA_UNAVAILABLE:
        raise_if_cancelled()
        await _store_held(archive, reader)
        raise
    finally:
        # A look at the log that is cut off leaves its connections open: let it end, unless Kafka is away.
        stopping.set()
        await asyncio.wait([replaced], timeout=STOP_S)
        replaced.cancel()
        await asyncio.gather(replaced, return_exceptions=True)
        await reader.stop()


def _instant(ms: int | None) -> Instant | None:
    return None if ms is None else ms * 1_000


async def _store_held(archive: BatchWriter, reader: LogReader) -> None:
    rest = reader.held_batch()
    if rest.next_offsets:
        await archive.store(rest)


async def _store_traced(archive: BatchWriter, batch: LogBatch, tracer: Tracer | None) -> None:
    """Store a batch; tell how long that took in the trace of each followed message that it carries."""
    if tracer is None or not batch.traced:
        await archive.store(batch)
        return
    # One message is in several records; its trace needs one commit.
    parents = list({one.trace_id: one for one in batch.traced}.values())[:TRACED_MESSAGES_MAX]
    spans = BatchSpans(
        tracer, "commit", "consumer", system_clock(), parents, attributes={"db.system": "postgresql"}
    )
    await archive.store(batch)
    spans.end(system_clock(), {"livetwin.rows": batch.rows})


async def _wait_for_new_log(kafka: Kafka, log_id: str, stopping: asyncio.Event) -> str:
    """Return the identity of the log that stands in the place of `log_id`, as soon as one does.

    Returns the last one seen when `stopping` is set. A consumer without a group does not notice a new log: it
    would wait for an offset that the new log reaches some day.
    """
    while True:
        found = await _wait_for_log_identity(kafka)
        if found != log_id or stopping.is_set():
            return found
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), IDENTITY_CHECK_S)
            return found
