"""The stream role: the app, its checkpoints, the model that it follows, and the log that it belongs to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from runtime.clock import system_clock
from runtime.kafka import topics
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import log_identity
from runtime.kafka.topics import create_topics, partition_counts
from runtime.model_source import CityModelSource
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from runtime.telemetry.tracing import Tracer
from storage.database import Connection, connect
from storage.history.baseline_seed import read_baselines
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
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.rules.operand import OperandSeries
from twin.errors import ServiceError
from twin.instant import SECOND
from twin.model.city_model import CityModel
from twin.state.datastream_state import RECENT_MAX

log = logging.getLogger(__name__)

CHECKPOINT_CHECK_S = 0.1
IDENTITY_CHECK_S = 1.0
DATABASE_RETRY_S = 1.0
STOP_S_MAX = 5.0


async def run(
    settings: StreamSettings,
    models: CityModelSource,
    tracer: Tracer | None = None,
    leave: Callable[[int], None] = lambda _: None,
) -> None:
    """Run the stream role until cancelled.

    `leave` is called with an exit code once all that matters is done: Faust is asked to stop then, and may
    never do so.

    Raises ServiceError when the log was replaced by another one: the state in memory belongs to the old log,
    so the process ends, and its supervisor starts it anew.
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
    traces = RecordTracer(tracer, system_clock) if tracer is not None else None

    def workers_of(faust_log: FaustTransport) -> dict[str, StreamWorker]:
        for kind in _kinds(settings, log_id):
            workers[kind.topic] = StreamWorker(
                settings=settings,
                kind=kind,
                model=model,
                reload_model=models.load,
                seeds=seeds.with_usual if kind.topic == topics.ALARM_INPUTS else seeds.without,
                transport=faust_log,
                metrics=metrics,
                traces=traces,
            )
        return workers

    async def positioned() -> None:
        for worker in workers.values():
            worker.on_recovered()

    def fail(error: BaseException) -> None:
        if not failure.done():
            failure.set_exception(error)

    app = create_faust_app(settings, kafka, workers_of, positioned, fail)
    tasks: list[asyncio.Task[None]] = []
    code = 1
    try:
        await app.start()
        tasks += [
            asyncio.create_task(_checkpoints(list(workers.values())), name="checkpoints"),
            asyncio.create_task(_follow(models, list(workers.values())), name="model"),
            asyncio.create_task(_same_log(kafka, log_id), name="log identity"),
            asyncio.create_task(_crashed(app), name="faust"),
            asyncio.create_task(measure_lag(app, workers, metrics), name="lag"),
        ]
        done, _ = await asyncio.wait([*tasks, failure], return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    except asyncio.CancelledError:
        code = 0
        raise
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S_MAX)  # one that goes on all the same holds nobody up
        await _checkpoint_on_the_way_out(list(workers.values()))
        leave(code)
        await app.stop()


def _kinds(settings: StreamSettings, log_id: str) -> tuple[StageFactory[Any], ...]:
    """Return the stages in the order in which what is measured passes through them."""
    future_max = settings.future_max_s * SECOND
    bindings = RuleIndexCache()
    return (
        EntityStageFactory(log_id, settings.partitions, settings.buckets, future_max, bindings),
        AreaStageFactory(log_id, settings.partitions, settings.buckets, bindings),
        AlarmStageFactory(log_id, settings.partitions, settings.buckets, bindings),
    )


async def _checkpoint_on_the_way_out(workers: Sequence[StreamWorker]) -> None:
    try:
        async with asyncio.timeout(STOP_S_MAX):
            for worker in workers:
                await worker.write_all_checkpoints()
    except Exception as error:  # what is not covered by a checkpoint is replayed
        log.warning("no checkpoint on the way out: %r", error)


async def _checkpoints(workers: Sequence[StreamWorker]) -> None:
    ready = False
    while True:
        await asyncio.sleep(CHECKPOINT_CHECK_S)
        held = [await worker.restore_assigned() for worker in workers]
        if all(held) and not ready:
            ready = True
            notify_ready()
        for worker in workers:
            await worker.write_due_checkpoints()


async def _follow(models: CityModelSource, workers: Sequence[StreamWorker]) -> None:
    async for model in models.watch():
        for worker in workers:
            worker.model = model
        log.info("works by version %d of the city model", model.version)


async def _same_log(kafka: Kafka, log_id: str) -> None:
    """Return never; raise ServiceError when another log answers."""
    while True:
        await asyncio.sleep(IDENTITY_CHECK_S)
        try:
            found = await log_identity(kafka, timeout_s=0)
        except ServiceError:
            continue  # away; Faust reconnects
        if found != log_id:
            raise ServiceError(f"the log {log_id} was replaced by {found}; starting anew from the database")


async def _crashed(app: Any) -> None:
    """Return never; raise what made Faust give up."""
    await app._crashed.wait()
    reason = app.crash_reason
    raise ServiceError(f"Faust gave up: {reason!r}") from reason


class _SeedReader:
    """What the database knows at the beginning of a log; waits for the database as long as it takes."""

    def __init__(self, settings: StreamSettings, log_id: str, model: CityModel) -> None:
        self._settings = settings
        self._log_id = log_id
        self._model = model
        self._usual: Mapping[OperandSeries, Baseline] | None = None  # read once, for all partitions

    async def without(self) -> StageSeed:
        """Return what is known but for what was usual."""
        return await self._read(self._known)

    async def with_usual(self) -> StageSeed:
        """Return what is known, with what was usual."""
        return await self._read(self._known_with_usual)

    async def _known(self, connection: Connection) -> StageSeed:
        return stage_seed_of(await read_state_seed(connection, self._log_id, RECENT_MAX))

    async def _known_with_usual(self, connection: Connection) -> StageSeed:
        knowledge = await self._known(connection)
        if self._usual is None:
            self._usual = await read_baselines(connection, self._model, knowledge.observations)
        return knowledge._replace(usual=self._usual)

    async def _read(self, known: Callable[[Connection], Awaitable[StageSeed]]) -> StageSeed:
        told = False
        while True:
            try:
                connection = await connect(self._settings.database.get_secret_value(), role="stream")
                async with connection:
                    return await known(connection)
            except (ServiceError, OSError) as error:
                if not told:
                    log.warning(
                        "a new log needs the state from the database, which is away (%s); waiting", error
                    )
                told = True
                await asyncio.sleep(DATABASE_RETRY_S)


# How far the stages are behind the log.

LAG_INTERVAL_S = 1.0


async def measure_lag(app: Any, workers: Mapping[str, StreamWorker], metrics: StreamMetrics) -> None:
    """Tell about every second how many records of its partitions each stage has not applied."""
    while True:
        await asyncio.sleep(LAG_INTERVAL_S)
        behind = dict.fromkeys(workers, 0)
        for tp in app.consumer.assignment():
            # What Kafka told with the last fetch; None before the first.
            end = app.consumer.highwater(tp) if tp.topic in workers else None
            if end is not None:
                behind[tp.topic] += max(0, end - workers[tp.topic].position(tp.partition) - 1)
        for topic, records in behind.items():
            metrics.lag.labels(topic).set(records)
