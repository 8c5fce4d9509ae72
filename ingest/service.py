"""Runs the ingest role: MQTT session → intake → Kafka → acknowledgement, one batch after the other.

A batch contains the messages that arrived while the previous one was processed: at a low rate a message does
not wait, and at a high rate batches grow. Ticks of the log and replays of quarantined messages run beside it
and delay no message.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal

from ingest.decoders import registry
from ingest.metrics import IngestMetrics
from ingest.mqtt.continuity import SessionContinuity
from ingest.mqtt.draining import DrainingSession
from ingest.mqtt.message import MqttMessage
from ingest.mqtt.session import MqttSession, MqttSessionOptions
from ingest.pipeline.acknowledgement import Acknowledger, LoggedAcknowledger, StoredAcknowledger
from ingest.pipeline.batching import batch_interval_s
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.interruptions import interruption_record
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.publisher import LogPublisher, new_producer
from ingest.pipeline.quarantine_replay import QuarantineReplayer
from ingest.pipeline.records import RecordBuilder
from ingest.pipeline.routes import TopicRoutes
from ingest.pipeline.traces import IngestTraces
from ingest.settings import IngestSettings
from runtime.clock import Clock, system_clock
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import log_identity
from runtime.kafka.topics import create_topics, partition_counts
from runtime.model_source import CityModelSource
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from runtime.telemetry.tracing import Tracer
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

# How long a stopping role waits for Kafka to confirm the last batch; the broker still has its messages.
STOP_S_MAX = 5.0


class IngestService:
    """The loops of the role, and the city model in use. Every record carries `name`, the session of this run.

    `session_file` is that of `ingest.mqtt.continuity`. With `drain` it processes the messages that the broker
    keeps for this replica, and ends.
    """

    def __init__(
        self,
        settings: IngestSettings,
        model: CityModel,
        clock: Clock,
        metrics: IngestMetrics,
        name: str,
        *,
        tracer: Tracer | None = None,
        drain: bool = False,
        session_file: Path | None = None,
    ) -> None:
        self._settings = settings
        self._continuity = SessionContinuity(clock, session_file)
        self._session_type = DrainingSession if drain else MqttSession
        self._clock = clock
        self._metrics = metrics
        self._name = name
        self._received = 0  # messages of this run; also the number of the next message
        self._pseudonymise = Pseudonymiser(settings.pseudonym_key.get_secret_value().encode())
        self._decoders = registry()
        self._traces = None
        if tracer is not None:
            self._traces = IngestTraces(tracer, name, settings.trace_ratio, clock)
        self._use_model(model)

    async def run(self) -> None:
        """Run until cancelled or drained; the batch in progress is still confirmed and acknowledged."""
        kafka = self._settings.kafka_access()
        producer = new_producer(kafka)
        session = self._session_type(
            _session_options(self._settings), self._routes.filters, self._clock, self._continuity
        )
        self._session = session
        self._metrics.mqtt_connected.set_function(lambda: float(session.connected))
        try:
            await create_topics(kafka, partition_counts(self._settings.partitions))
            acknowledger = await _new_acknowledger(self._settings.acknowledge, kafka)
            await producer.start()
            await session.open()
            notify_ready()
            builder = RecordBuilder(self._name, self._clock)
            publisher = LogPublisher(producer, builder, self._settings.partitions)
            self._metrics.kafka_up.set_function(lambda: float(publisher.healthy))
            replays = QuarantineReplayer(
                publisher, lambda: self._intake, self._clock, self._metrics.count_replayed
            )
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(
                        self._process_batches(session, publisher, acknowledger), name="messages"
                    ),
                    tasks.create_task(acknowledger.run(), name="acknowledgement"),
                    tasks.create_task(self._publish_ticks(publisher), name="ticks"),
                    tasks.create_task(self._publish_interruptions(publisher), name="interruptions"),
                    tasks.create_task(replays.run(kafka), name="replays"),
                ]
                if isinstance(session, DrainingSession):
                    await session.wait_drained()
                    for loop in loops:
                        loop.cancel()
        finally:
            await session.close()
            await producer.stop()

    async def _process_batches(
        self, session: MqttSession, publisher: LogPublisher, acknowledger: Acknowledger
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            messages = await session.next_batch(self._settings.batch_messages_max)
            started = loop.time()
            await _finish_despite_cancellation(self._process_batch(messages, publisher, acknowledger))
            least, most = self._settings.batch_interval_ms, self._settings.batch_interval_max_ms
            interval = batch_interval_s(len(messages), least / 1000, most / 1000)
            await asyncio.sleep(interval - (loop.time() - started))

    async def _publish_ticks(self, publisher: LogPublisher) -> None:
        while True:
            await asyncio.sleep(self._settings.tick_interval_s)
            self._metrics.ticks.inc(await publisher.publish_ticks())

    async def _publish_interruptions(self, publisher: LogPublisher) -> None:
        while True:
            reports = self._continuity.due_reports()
            for one in reports:
                self._metrics.count_interruption(one)
            await publisher.publish([interruption_record(one) for one in reports])
            await asyncio.sleep(self._settings.tick_interval_s)

    async def follow_model(self, models: CityModelSource) -> None:
        """Use each newer city model from the next batch on."""
        async for model in models.watch():
            before = set(self._routes.filters)
            self._use_model(model)
            if set(self._routes.filters) != before:
                await self._session.resubscribe(self._routes.filters)
            log.info(
                "uses version %d of the city model",
                model.version,
                extra={"event": "ingest.model", "version": model.version},
            )

    def _use_model(self, model: CityModel) -> None:
        settings = self._settings
        self._routes = TopicRoutes(self._decoders, model.feeds)
        self._intake = Intake(
            routes=self._routes,
            devices=DeviceMap(model, self._decoders, settings.partitions),
            timezone=model.city.timezone,
            options=IntakeOptions.from_settings(settings),
            pseudonymise=self._pseudonymise,
            session=self._name,
        )

    async def _process_batch(
        self, messages: list[MqttMessage], publisher: LogPublisher, acknowledger: Acknowledger
    ) -> None:
        def acknowledge() -> None:
            self._session.acknowledge(messages)
            self._metrics.acknowledged.inc(len(received))

        first = self._received
        received, processed, probes = self._intake.process_batch(messages, first)
        self._received += len(received)
        self._metrics.messages.inc(len(received))
        trace = self._traces.begin_batch(received, first) if self._traces is not None else None
        on_logged = acknowledger.begin_batch(acknowledge)
        ends = await publisher.publish(processed, trace)
        if trace is not None:
            trace.on_confirmed()
        await publisher.publish_probes(probes)
        on_logged(ends)
        self._metrics.count_batch(processed)


async def run(
    settings: IngestSettings,
    models: CityModelSource,
    tracer: Tracer | None = None,
    *,
    drain: bool = False,
    session_file: Path | None = None,
) -> None:
    """Run the ingest role until cancelled, or until a draining replica has no messages left.

    `session_file` is that of `ingest.mqtt.continuity`.
    """
    metrics_registry = new_registry()
    metrics = IngestMetrics(metrics_registry)
    serve_metrics(metrics_registry, settings.metrics_host, settings.metrics_port)
    name = uuid.uuid4().hex
    ingest = IngestService(
        settings,
        await models.load(),
        system_clock,
        metrics,
        name,
        tracer=tracer,
        drain=drain,
        session_file=session_file,
    )
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(ingest.follow_model(models), name="model")
        await ingest.run()
        following.cancel()


async def _finish_despite_cancellation(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work also when cancelled meanwhile, within `STOP_S_MAX`; then raise the cancellation."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_S_MAX)
        task.cancel()
        raise


async def _new_acknowledger(when: Literal["logged", "stored"], kafka: Kafka) -> Acknowledger:
    if when == "logged":
        return LoggedAcknowledger()
    return StoredAcknowledger(kafka, await log_identity(kafka))


def _session_options(settings: IngestSettings) -> MqttSessionOptions:
    return MqttSessionOptions(
        broker=settings.mqtt_access(),
        client_id=settings.mqtt_client_id,
        keepalive_s=settings.mqtt_keepalive_s,
        session_expiry_s=settings.session_expiry_s,
        receive_max=settings.receive_max,
        buffer_bytes_max=settings.buffer_bytes_max,
        shared_subscription=settings.mqtt_share,
        accept_replay=settings.accept_replay,
    )
