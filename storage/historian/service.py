"""The historian role: stores every record of the log, with its offsets in the same transaction.

The log is read at least once and the tables ignore repetitions, so each observation is stored once after any
crash. Several historians divide the partitions. The replay relay, the publisher of stored positions and the
audit run beside it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import NamedTuple

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
from storage.historian.log_reader import HELD_ROWS_MIN, KAFKA_UNAVAILABLE, LogReader
from storage.historian.metrics import HistorianMetrics
from storage.historian.partition_assignment import AssignmentTracker, PartitionAssignment
from storage.historian.position_publisher import PositionPublisher
from storage.historian.replay_relay import run_replay_relay
from storage.settings import HistorianSettings
from twin.errors import ServiceError
from twin.instant import Instant

log = logging.getLogger(__name__)

IDENTITY_CHECK_S = 1.0
RETRY_S = 0.5
STOP_S = 1.0

# Of more traced messages in a transaction, only the first ones get its span.
TRACED_MESSAGES_MAX = 32


class _ReadOptions(NamedTuple):
    tracer: Tracer | None
    held_rows_min: int  #: for the log reader


async def run_historian(
    settings: HistorianSettings, tracer: Tracer | None = None, *, held_rows_min: int = HELD_ROWS_MIN
) -> None:
    """Store the records of the log until cancelled; wait for Kafka and the database while unavailable.

    `held_rows_min` is passed to the log reader.
    """
    metrics = HistorianMetrics(new_registry())
    options = _ReadOptions(tracer, held_rows_min)
    publisher = PositionPublisher(settings.kafka_access())
    assignments = AssignmentTracker(settings.database.get_secret_value(), settings.city)
    serve_metrics(metrics.registry, settings.metrics_host, settings.metrics_port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            _store_continuously(settings, metrics, publisher, assignments, options), name="historian"
        )
        tasks.create_task(assignments.run(), name="share")
        tasks.create_task(publisher.run(), name="stored positions")
        tasks.create_task(run_replay_relay(settings, metrics), name="replays")
        tasks.create_task(run_audits(settings, metrics, system_clock), name="audits")


async def _store_continuously(
    settings: HistorianSettings,
    metrics: HistorianMetrics,
    publisher: PositionPublisher,
    assignments: AssignmentTracker,
    options: _ReadOptions,
) -> None:
    writer = BatchWriter(settings.database.get_secret_value(), metrics, settings.quarantine_limits())
    try:
        while True:
            log_id = await _wait_for_log_identity(settings.kafka_access())
            try:
                await _store_log(
                    settings, writer, metrics, publisher, assignments, log_id=log_id, options=options
                )
            except PositionConflictError as error:
                log.info(
                    "%s; reading restarts from the stored positions",
                    error,
                    extra={"event": "historian.position_conflict", "log_id": log_id},
                )
                await asyncio.sleep(RETRY_S)
            except (*KAFKA_UNAVAILABLE, ServiceError) as error:
                raise_if_cancelled()
                log.warning(
                    "Kafka is unavailable, reading restarts from the stored positions: %r",
                    error,
                    extra={"event": "historian.kafka_unavailable", "log_id": log_id},
                )
                await asyncio.sleep(RETRY_S)
    finally:
        await writer.close()


async def _wait_for_log_identity(kafka: Kafka) -> str:
    """Return the identity of the log; wait for Kafka without limit."""
    while True:
        try:
            return await log_identity(kafka)
        except ServiceError as error:
            raise_if_cancelled()
            log.warning("%s", error, extra={"event": "historian.kafka_unavailable"})


async def _store_log(
    settings: HistorianSettings,
    writer: BatchWriter,
    metrics: HistorianMetrics,
    publisher: PositionPublisher,
    assignments: AssignmentTracker,
    *,
    log_id: str,
    options: _ReadOptions,
) -> None:
    """Store the assigned partitions of one log; return when the log was replaced or the assignment changed.

    Records that were read are stored before that, under the identity of their log. Held updates are stored
    when Kafka becomes unavailable, too: it may restart with an empty log.

    Raises PositionConflictError when another historian stores the same partitions.
    """
    kafka = settings.kafka_access()
    await create_topics(kafka, partition_counts(settings.partitions))
    assignment = await assignments.current()
    positions = assignment.filter_positions(await writer.read_positions(log_id))
    publisher.start_log(log_id, positions)
    reader = _new_reader(settings, log_id, metrics, assignment, options)
    stopping = asyncio.Event()
    replacement = asyncio.create_task(_wait_for_new_log(kafka, log_id, stopping))
    try:
        await reader.start(positions)
        metrics.logs.inc()
        log.info(
            "reading log %s from %s",
            log_id,
            positions or "its beginning",
            extra={"event": "historian.log_started", "log_id": log_id},
        )
        notify_ready()
        while not replacement.done() and assignment == await assignments.current():
            batch = await reader.read_batch()
            raise_if_cancelled()
            if batch.next_offsets:
                metrics.set_oldest_unstored(_instant(batch.oldest_ms))
                await _store_traced(writer, batch, options.tracer)
                publisher.on_stored(batch.next_offsets)
            lag = reader.lag()
            metrics.lag.set(lag)
            # The next record is about as new as the newest stored one, or newer.
            metrics.set_oldest_unstored(_instant(batch.newest_ms) if lag else None)
        await _store_held(writer, reader)
        if replacement.done():
            log.warning(
                "log %s was replaced by %s",
                log_id,
                replacement.result(),
                extra={
                    "event": "historian.log_replaced",
                    "log_id": log_id,
                    "new_log_id": replacement.result(),
                },
            )
    except KAFKA_UNAVAILABLE:
        raise_if_cancelled()
        await _store_held(writer, reader)
        raise
    finally:
        stopping.set()
        await _end_check(replacement)
        await reader.stop()


def _new_reader(
    settings: HistorianSettings,
    log_id: str,
    metrics: HistorianMetrics,
    assignment: PartitionAssignment,
    options: _ReadOptions,
) -> LogReader:
    return LogReader(
        settings,
        log_id,
        metrics,
        assignment,
        traced=options.tracer is not None,
        held_rows_min=options.held_rows_min,
    )


async def _end_check(check: asyncio.Task[str]) -> None:
    """End the check for a new log, which was asked to stop."""
    # Cancelling the check leaves its connections open: let it end, unless Kafka is unavailable.
    await asyncio.wait([check], timeout=STOP_S)
    check.cancel()
    await asyncio.gather(check, return_exceptions=True)


def _instant(ms: int | None) -> Instant | None:
    return None if ms is None else ms * 1_000


async def _store_held(writer: BatchWriter, reader: LogReader) -> None:
    held = reader.held_batch()
    if held.next_offsets:
        await writer.store(held)


async def _store_traced(writer: BatchWriter, batch: LogBatch, tracer: Tracer | None) -> None:
    """Store a batch; record the duration as a span in the trace of each traced message of it."""
    if tracer is None or not batch.traced:
        await writer.store(batch)
        return
    # One message is in several records; its trace gets one span.
    parents = list({one.trace_id: one for one in batch.traced}.values())[:TRACED_MESSAGES_MAX]
    spans = BatchSpans(
        tracer, "commit", "consumer", system_clock(), parents, attributes={"db.system": "postgresql"}
    )
    await writer.store(batch)
    spans.end(system_clock(), {"livetwin.rows": batch.rows})


async def _wait_for_new_log(kafka: Kafka, log_id: str, stopping: asyncio.Event) -> str:
    """Return the identity of the log that replaces `log_id`, as soon as one does.

    Returns the last identity read when `stopping` is set. A consumer without a group does not notice a new
    log: it would wait until the new log reaches the old offset.
    """
    while True:
        identity = await _wait_for_log_identity(kafka)
        if identity != log_id or stopping.is_set():
            return identity
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), IDENTITY_CHECK_S)
            return identity
