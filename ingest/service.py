"""The ingest role: session → intake → Kafka, one batch after the other, and its acknowledgement. Beside it
run the ticks of the log and the replays of quarantined messages, for which no message waits.

A batch is what arrived while the previous one was on its way, so a quiet system adds no delay and a busy one
batches by itself.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from typing import Any, Literal

from ingest.decoders import Routes, registry
from ingest.metrics import IngestMetrics
from ingest.mqtt.draining import LastSession
from ingest.mqtt.message import Message
from ingest.mqtt.session import MqttSession, SessionOptions
from ingest.pipeline.acknowledgement import Acknowledgement, WhenLogged, WhenStored
from ingest.pipeline.batching import batch_interval_s
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.probes import divide
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.publisher import Publisher, new_producer
from ingest.pipeline.quarantine_replay import Replays
from ingest.pipeline.records import RecordMaker
from ingest.pipeline.traces import IngestTraces
from ingest.settings import IngestSettings
from runtime.clock import Clock, system_clock
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import log_identity
from runtime.kafka.topics import create_topics, partition_counts
from runtime.model_source import Models
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from runtime.telemetry.tracing import Tracer
from twin.instant import DAY, SECOND
from twin.model.city_model import CityModel
from twin.quality.plausibility import PlausibilityBounds

log = logging.getLogger(__name__)

# How long a stopping role still waits for Kafka to confirm what it took; the broker has it still.
STOP_S_MAX = 5.0


class Ingest:
    """The loops of the role, and the model that it works by. `name` is that of this run, in every record.

    One that `retires` takes what the broker keeps for it, and ends.
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
        retires: bool = False,
    ) -> None:
        self._settings = settings
        self._session_type = LastSession if retires else MqttSession
        self._clock = clock
        self._metrics = metrics
        self._name = name
        self._received = 0  # messages of this run: the number of the next one
        self._pseudonymise = Pseudonymiser(settings.pseudonym_key.get_secret_value().encode())
        self._decoders = registry()
        self._traces = None
        if tracer is not None:
            self._traces = IngestTraces(tracer, name, settings.trace_ratio, clock)
        self._adopt(model)

    async def run(self) -> None:
        """Work until cancelled, or retired; what was taken by then is confirmed and acknowledged."""
        kafka = self._settings.kafka_access()
        producer = new_producer(kafka)
        session = self._session_type(_session_options(self._settings), self._routes.filters, self._clock)
        self._session = session
        self._metrics.mqtt_connected.set_function(lambda: float(session.connected))
        try:
            await create_topics(kafka, partition_counts(self._settings.partitions))
            acknowledgement = await _acknowledgement(self._settings.acknowledge, kafka)
            await producer.start()
            await session.open()
            notify_ready()
            maker = RecordMaker(self._name, self._clock)
            publisher = Publisher(producer, maker, self._settings.partitions)
            self._metrics.kafka_up.set_function(lambda: float(publisher.confirms))
            replays = Replays(publisher, lambda: self._intake, self._clock, self._metrics.count_replayed)
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(self._take(session, publisher, acknowledgement), name="messages"),
                    tasks.create_task(acknowledgement.run(), name="acknowledgement"),
                    tasks.create_task(self._tick(publisher), name="ticks"),
                    tasks.create_task(replays.run(kafka), name="replays"),
                ]
                if isinstance(session, LastSession):
                    await session.worked_off()
                    for one in loops:
                        one.cancel()
        finally:
            await session.close()
            await producer.stop()

    async def _take(
        self, session: MqttSession, publisher: Publisher, acknowledgement: Acknowledgement
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            messages = await session.batch(self._settings.batch_messages_max)
            taken = loop.time()
            await _to_the_end(self._handle(messages, publisher, acknowledgement))
            least, most = self._settings.batch_interval_ms, self._settings.batch_interval_max_ms
            interval = batch_interval_s(len(messages), least / 1000, most / 1000)
            await asyncio.sleep(interval - (loop.time() - taken))

    async def _tick(self, publisher: Publisher) -> None:
        while True:
            await asyncio.sleep(self._settings.tick_interval_s)
            self._metrics.ticks.inc(await publisher.tick())

    async def follow(self, models: Models) -> None:
        """Work by each newer model from the next batch on."""
        async for model in models.watch():
            before = set(self._routes.filters)
            self._adopt(model)
            if set(self._routes.filters) != before:
                await self._session.resubscribe(self._routes.filters)
            log.info("works by version %d of the city model", model.version)

    def _adopt(self, model: CityModel) -> None:
        settings = self._settings
        self._timezone = model.city.timezone
        self._routes = Routes(self._decoders, model.feeds)
        self._intake = Intake(
            routes=self._routes,
            devices=DeviceMap(model, self._decoders, settings.partitions),
            timezone=model.city.timezone,
            options=IntakeOptions(
                payload_bytes_max=settings.payload_bytes_max,
                quarantine_bytes_max=settings.quarantine_bytes_max,
                keep_payloads=settings.keep_payloads,
                plausibility=PlausibilityBounds(
                    future_max=settings.future_max_s * SECOND, past_max=settings.past_max_days * DAY
                ),
            ),
            pseudonymise=self._pseudonymise,
            session=self._name,
        )

    async def _handle(
        self, messages: list[Message], publisher: Publisher, acknowledgement: Acknowledgement
    ) -> None:
        def acknowledge() -> None:
            self._session.acknowledge(messages)
            self._metrics.acknowledged.inc(len(received))

        received, probes = divide(messages, self._timezone)
        self._metrics.messages.inc(len(received))
        trace = self._traces.received(received, self._received) if self._traces is not None else None
        taken = [
            self._intake.take(message, number) for number, message in enumerate(received, self._received)
        ]
        self._received += len(received)
        if trace is not None:
            trace.decoded()
        batch = acknowledgement.begin(acknowledge)
        ends = await publisher.publish(taken, trace)
        if trace is not None:
            trace.confirmed()
        await publisher.pass_on(probes)
        batch.logged(ends)
        self._metrics.count(taken)


async def run(
    settings: IngestSettings, models: Models, tracer: Tracer | None = None, *, retires: bool = False
) -> None:
    """Run the ingest role until cancelled, or until there is nothing left for one that retires."""
    metrics_registry = new_registry()
    metrics = IngestMetrics(metrics_registry)
    serve_metrics(metrics_registry, settings.metrics_host, settings.metrics_port)
    name = uuid.uuid4().hex
    ingest = Ingest(
        settings, await models.load(), system_clock, metrics, name, tracer=tracer, retires=retires
    )
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(ingest.follow(models), name="model")
        await ingest.run()
        following.cancel()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work to its end even when cancelled meanwhile, then let the cancellation take its course."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_S_MAX)
        task.cancel()
        raise


async def _acknowledgement(when: Literal["logged", "stored"], kafka: Kafka) -> Acknowledgement:
    if when == "logged":
        return WhenLogged()
    return WhenStored(kafka, await log_identity(kafka))


def _session_options(settings: IngestSettings) -> SessionOptions:
    return SessionOptions(
        broker=settings.mqtt_access(),
        client_id=settings.mqtt_client_id,
        keepalive_s=settings.mqtt_keepalive_s,
        session_expiry_s=settings.session_expiry_s,
        receive_max=settings.receive_max,
        buffer_bytes_max=settings.buffer_bytes_max,
        share=settings.mqtt_share,
        accept_replay=settings.accept_replay,
    )
