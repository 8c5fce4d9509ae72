"""The case `ingest`: the cost of a message in ingest, by stage, from the socket to the bytes of a record.

The MQTT session is real; a worker acts as the broker, and Kafka is a delay. The cost of the Kafka client is
not included: records are few, and the case `system` includes it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import click
import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.ingest_broker import IngestBrokerOptions, serve_messages
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.stages import StageCosts
from benchmarks.measure.worker_process import WorkerProcess
from benchmarks.report.results import write_results
from ingest.decoders import registry
from ingest.metrics import IngestMetrics
from ingest.mqtt import bulk_reading
from ingest.mqtt.session import MqttSession, MqttSessionOptions
from ingest.pipeline.batching import batch_interval_s
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.records import RecordBuilder
from ingest.pipeline.routes import TopicRoutes
from ingest.settings import IngestSettings
from runtime.clock import system_clock
from runtime.gc_tuning import tune_gc
from runtime.mqtt.access import MqttAccess
from twin.model.city_model import CityModel
from twin.quality.plausibility import PlausibilityBounds

PARTITIONS = 4
READY_TIMEOUT_S = 60.0


@click.command()
@click.option("--rate", default=25_000, show_default=True, help="Messages a second; 0: flat out.")
@click.option("--messages", type=click.IntRange(1, 2_000_000), default=100_000, show_default=True)
@click.option("--datastreams", type=click.IntRange(20, 100_000), default=2_000, show_default=True)
@click.option("--packs", is_flag=True, help="SenML packs of ten readings.")
@click.option("--confirm-ms", default=3.0, show_default=True, help="How long Kafka takes to confirm.")
@click.option("--one-by-one", is_flag=True, help="Read as with a paho that cannot be read in bulk.")
def ingest(
    *, rate: int, messages: int, datastreams: int, packs: bool, confirm_ms: float, one_by_one: bool
) -> None:
    """Receive, decode, check, encode and acknowledge; print microseconds of a core for each message."""
    machine = describe_machine(Path(tempfile.gettempdir()))
    city = BenchCity(datastreams=datastreams, each=10 if packs else 4, packs=packs)
    if one_by_one:
        # A missing private name of paho switches bulk reading off.
        setattr(bulk_reading, "PAHO_PRIVATE_NAMES", ("_none",))  # noqa: B010 - a constant elsewhere
    broker = WorkerProcess(
        "broker", serve_messages, IngestBrokerOptions(traffic=city.traffic, messages=messages, rate=rate)
    )
    try:
        port = broker.answer(READY_TIMEOUT_S)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            stages, batches = runner.run(_measure(broker, port, city, messages, confirm_ms / 1_000))
    finally:
        broker.end()
    costs = {name: round(cost.own / 1_000 / messages, 2) for name, cost in stages.costs.items()}
    for name, cost in costs.items():
        print(f"{name:<14}{cost:>8.2f} µs")
    print(f"{'in all':<14}{sum(costs.values()):>8.2f} µs a message of {city.pack} readings")
    print(f"{batches} batches of {messages / batches:.0f} messages each")
    write_results(
        "ingest", {"machine": machine, "rate": rate, "messages": messages, "batches": batches, "us": costs}
    )


async def _measure(
    broker: WorkerProcess, port: int, city: BenchCity, messages: int, confirm_s: float
) -> tuple[StageCosts, int]:
    settings = IngestSettings()
    model = city.model()
    intake, maker = _intake(model, settings), RecordBuilder("bench", system_clock)
    metrics, stages = IngestMetrics(CollectorRegistry()), StageCosts()
    session = MqttSession(_options(port, settings), [f"livetwin/{model.city.id}/#"], system_clock)
    await session.open()
    least_s, most_s = settings.batch_interval_ms / 1_000, settings.batch_interval_max_ms / 1_000
    count = batches = 0
    tune_gc()
    broker.send("go")
    while count < messages:
        with stages.stage("receive"):
            batch = await session.next_batch(settings.batch_messages_max)
        begun = time.monotonic()
        with stages.stage("take"):
            taken = intake.process_batch(batch, count).processed
        with stages.stage("records"):
            list(maker.records(taken))
        with stages.stage("confirm"):
            await asyncio.sleep(confirm_s)
        with stages.stage("acknowledge"):
            session.acknowledge(batch)
        with stages.stage("metrics"):
            metrics.count_batch(taken)
        count += len(batch)
        batches += 1
        with stages.stage("rest"):
            interval_s = batch_interval_s(len(batch), least_s, most_s)
            await asyncio.sleep(interval_s - (time.monotonic() - begun))
    while not broker.has_answer(0):
        with stages.stage("receive"):
            await asyncio.sleep(0.01)
    closing = asyncio.create_task(session.close())
    broker.send("end")
    await closing
    return stages, batches


def _options(port: int, settings: IngestSettings) -> MqttSessionOptions:
    return MqttSessionOptions(
        broker=MqttAccess(host="127.0.0.1", port=port),
        client_id="bench",
        keepalive_s=60,
        session_expiry_s=60,
        receive_max=settings.receive_max,
        buffer_bytes_max=settings.buffer_bytes_max,
        shared_subscription="",
    )


def _intake(model: CityModel, settings: IngestSettings) -> Intake:
    return Intake(
        routes=TopicRoutes(registry(), model.feeds),
        devices=DeviceMap(model, registry(), PARTITIONS),
        timezone=model.city.timezone,
        options=IntakeOptions(
            payload_bytes_max=settings.payload_bytes_max,
            quarantine_bytes_max=settings.quarantine_bytes_max,
            plausibility=PlausibilityBounds(),
        ),
        pseudonymise=Pseudonymiser(settings.pseudonym_key.get_secret_value().encode()),
        session="bench",
    )
