"""The stream role as a process: the Faust app, its workers and checkpoints, the model, and the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from runtime.clock import system_clock
from runtime.kafka import topics
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import log_identity, wait_for_another_log
from runtime.kafka.topics import create_topics, partition_counts
from runtime.model_source import CityModelSource
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from runtime.telemetry.tracing import Tracer
from storage.database import connect
from storage.history.baseline_seed import read_baselines
from storage.history.condition_reader import read_corrections
from storage.stores.state_seed import read_state_seed
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.areas.area_stage import AreaStageFactory
from stream.engine.faust_app import FaustTransport, create_faust_app
from stream.engine.record_traces import RecordTracer
from stream.engine.stage import StageFactory
from stream.engine.stage_seed import StageSeed, stage_seed_of
from stream.engine.worker import StreamWorker
from stream.entities.entity_stage import EntityStageFactory
from stream.metrics import StreamMetrics
from stream.settings import StreamSettings
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.rules.operand import OperandSeries
from twin.errors import ServiceError
from twin.instant import SECOND
from twin.model.city_model import CityModel
from twin.state.datastream_state import SEED_MAX

log = logging.getLogger(__name__)

CHECKPOINT_CHECK_S = 0.1
DATABASE_RETRY_S = 1.0
LAG_INTERVAL_S = 1.0
STOP_S_MAX = 5.0


async def run(
    settings: StreamSettings,
    models: CityModelSource,
    tracer: Tracer | None = None,
    leave: Callable[[int], None] = lambda _: None,
) -> None:
    """Run the stream role until cancelled.

    `leave` is called with an exit code when everything that matters is done. Faust is asked to stop after
    that, and may never do so.

    Raises ServiceError when the log was replaced by another one. The state in memory belongs to the old log,
    so the process ends, and its supervisor starts it again.
    """
    registry = new_registry()
    metrics = StreamMetrics(registry)
    serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    kafka = settings.kafka_access()
    await create_topics(kafka, partition_counts(settings.partitions))
    log_id = await log_identity(kafka)
    model = await models.load()
    failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    workers: dict[str, StreamWorker] = {}

    seeds = _SeedReader(settings, log_id, model)
    record_tracer = RecordTracer(tracer, system_clock) if tracer is not None else None

    def create_workers(transport: FaustTransport) -> dict[str, StreamWorker]:
        for factory in _stage_factories(settings, log_id):
            workers[factory.topic] = StreamWorker(
                settings=settings,
                factory=factory,
                model=model,
                reload_model=models.load,
                read_seed=partial(seeds.read, with_baselines=factory.topic == topics.ALARM_INPUTS),
                transport=transport,
                metrics=metrics,
                tracer=record_tracer,
            )
        return workers

    def on_failure(error: BaseException) -> None:
        if not failure.done():
            failure.set_exception(error)

    app = create_faust_app(settings, kafka, create_workers, on_failure)
    tasks: list[asyncio.Task[None]] = []
    code = 1
    try:
        await app.start()
        tasks += [
            asyncio.create_task(_write_checkpoints(list(workers.values())), name="checkpoints"),
            asyncio.create_task(_watch_model(models, list(workers.values())), name="model"),
            asyncio.create_task(_watch_log_identity(kafka, log_id), name="log identity"),
            asyncio.create_task(_watch_crash(app), name="faust"),
            asyncio.create_task(_measure_lag(app, workers, metrics), name="lag"),
        ]
        done, _ = await asyncio.wait([*tasks, failure], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except asyncio.CancelledError:
        code = 0
        raise
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S_MAX)  # a task that does not end must not delay the stop
        await _write_last_checkpoints(list(workers.values()))
        leave(code)
        await app.stop()


def _stage_factories(settings: StreamSettings, log_id: str) -> tuple[StageFactory[Any], ...]:
    """Return the factories in the order in which data passes through the stages."""
    future_max = settings.future_max_s * SECOND
    rule_indexes = RuleIndexCache()
    return (
        EntityStageFactory(log_id, settings.partitions, settings.buckets, future_max, rule_indexes),
        AreaStageFactory(log_id, settings.partitions, settings.buckets, rule_indexes),
        AlarmStageFactory(log_id, settings.partitions, settings.buckets, rule_indexes),
    )


async def _write_last_checkpoints(workers: Sequence[StreamWorker]) -> None:
    try:
        async with asyncio.timeout(STOP_S_MAX):
            for worker in workers:
                await worker.write_all_checkpoints()
    except Exception as error:  # records without a checkpoint are replayed
        log.warning(
            "no checkpoint before the stop: %r", error, extra={"event": "stream.last_checkpoint_failed"}
        )


async def _write_checkpoints(workers: Sequence[StreamWorker]) -> None:
    is_ready = False
    while True:
        await asyncio.sleep(CHECKPOINT_CHECK_S)
        restored = [await worker.restore_assigned() for worker in workers]
        if all(restored) and not is_ready:
            is_ready = True
            notify_ready()
        is_closing = any(worker.is_closing for worker in workers)
        for worker in workers:
            await (worker.write_all_checkpoints() if is_closing else worker.write_due_checkpoints())


async def _watch_model(models: CityModelSource, workers: Sequence[StreamWorker]) -> None:
    async for model in models.watch():
        for worker in workers:
            worker.model = model
        log.info(
            "using version %d of the city model",
            model.version,
            extra={"event": "stream.model", "version": model.version},
        )


async def _watch_log_identity(kafka: Kafka, log_id: str) -> None:
    """Never return; raise ServiceError when Kafka has another log."""
    # While Kafka is unavailable, Faust reconnects.
    found = await wait_for_another_log(kafka, log_id, timeout_s=0)
    raise ServiceError(
        f"the log {log_id} was replaced by {found}; restarting with the state from the database"
    )


async def _watch_crash(app: Any) -> None:
    """Never return; raise the error that stopped Faust."""
    await app._crashed.wait()
    reason = app.crash_reason
    raise ServiceError(f"Faust gave up: {reason!r}") from reason


async def _measure_lag(app: Any, workers: Mapping[str, StreamWorker], metrics: StreamMetrics) -> None:
    """Publish about every second how many records of its partitions each stage has not applied."""
    while True:
        await asyncio.sleep(LAG_INTERVAL_S)
        lag = dict.fromkeys(workers, 0)
        for tp in app.consumer.assignment():
            # The end offset of the last fetch; None before the first.
            end = app.consumer.highwater(tp) if tp.topic in workers else None
            if end is not None:
                lag[tp.topic] += max(0, end - workers[tp.topic].position(tp.partition) - 1)
        for topic, records in lag.items():
            metrics.lag.labels(topic).set(records)


class _SeedReader:
    """Reads the seed of a new log from the database, and waits for the database if necessary."""

    def __init__(self, settings: StreamSettings, log_id: str, model: CityModel) -> None:
        self._settings = settings
        self._log_id = log_id
        self._model = model
        # Read once, for all partitions:
        self._baselines: Mapping[OperandSeries, Baseline] | None = None
        self._corrections: Sequence[AlarmCorrection] | None = None

    async def read(self, *, with_baselines: bool) -> StageSeed:
        """Return the seed; the baselines of deviation rules are read for the alarm stage only."""
        is_logged = False
        while True:
            try:
                return await self._read(with_baselines)
            except (ServiceError, OSError) as error:
                if not is_logged:
                    log.warning(
                        "a new log needs the state from the database, which is unavailable (%s); waiting",
                        error,
                        extra={"event": "stream.database_unavailable"},
                    )
                is_logged = True
                await asyncio.sleep(DATABASE_RETRY_S)

    async def _read(self, with_baselines: bool) -> StageSeed:
        database = self._settings.database.get_secret_value()
        async with await connect(database, role="stream") as connection:
            seed = stage_seed_of(await read_state_seed(connection, self._log_id, SEED_MAX, self._model))
            if not with_baselines:
                return seed
            if self._baselines is None:
                self._baselines = await read_baselines(connection, self._model, seed.observations)
            if self._corrections is None:
                self._corrections = await read_corrections(connection, self._model, seed.alarms)
            return seed._replace(baselines=self._baselines, corrections=self._corrections)
