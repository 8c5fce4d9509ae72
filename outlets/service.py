"""Runs the outlets role: a live view that follows the log, the MQTT publisher, and the webhooks."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from random import Random
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from api.database import Database
from api.live.event_stream import EventStreams
from api.live.history.history_player import Histories
from api.live.hub import Hub
from api.live.log_follower import LogFollower
from api.live.log_replay import LogReplay
from api.metrics import ApiMetrics
from api.webhooks.cloud_event import EventSource
from outlets.metrics import OutletMetrics
from outlets.mqtt_connection import MqttConnectionOptions
from outlets.mqtt_publisher import MqttPublisher
from outlets.pending_changes import PendingChanges
from outlets.retry_policy import WebhookRetryPolicy
from outlets.settings import OutletSettings
from outlets.standby import OutletsTurn, work_in_turn
from outlets.webhook_delivery import DeliveryDependencies
from outlets.webhook_repository import WebhookRepository
from outlets.webhook_sender import SenderIdentity, WebhookSender
from outlets.webhook_supervisor import WebhookSupervisor
from runtime.clock import system_clock
from runtime.kafka.consumer import FETCH_IN_BULK
from runtime.model_source import CityModelSource
from runtime.readiness import notify_ready
from runtime.sink_address import SinkRules, parse_networks
from runtime.telemetry.metrics import new_registry, serve_metrics
from storage.stores.webhooks import WEBHOOKS_MAX
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

# 5 MB, at about 100 bytes per event: webhooks that fall behind for a moment resume from it.
REPLAY_BUFFER_EVENTS_MAX = 50_000

# Events that wait for one webhook during a request; beyond this it reads them from the log again.
QUEUE_BYTES_MAX = 1_000_000

# Webhooks that read the log again at the same time; others wait.
REPLAYS_MAX = 8

# Of which one reads what webhooks missed, the other answers the probes.
DATABASE_CONNECTIONS_MAX = 2
HISTORY_READS_MAX = 1


async def run(settings: OutletSettings, models: CityModelSource) -> None:
    """Run the role until cancelled. Raises ServiceError when there is no city model."""
    registry = new_registry()
    serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    await run_with_model(settings, await models.load(), models, registry)


def _sender(settings: OutletSettings) -> WebhookSender:
    rules = SinkRules(parse_networks(settings.sink_networks))
    origin = urlsplit(settings.base_url).hostname or "localhost"
    identity = SenderIdentity(origin, settings.webhook_rate_max)
    return WebhookSender(rules, system_clock, settings.webhook_timeout_s, identity)


async def run_with_model(
    settings: OutletSettings, model: CityModel, models: CityModelSource, registry: CollectorRegistry
) -> None:
    """Run the role with a loaded model, until cancelled."""
    database = Database(settings.database.get_secret_value(), DATABASE_CONNECTIONS_MAX, role="outlets")
    metrics, view_metrics = OutletMetrics(registry), ApiMetrics(registry)
    changes = PendingChanges()
    hub = Hub(
        model,
        system_clock,
        view_metrics,
        partitions=settings.partitions,
        ring_events_max=REPLAY_BUFFER_EVENTS_MAX,
        listener=changes,
    )
    follower = LogFollower(
        settings.kafka_access(),
        settings.partitions,
        hub,
        database.read_seed,
        view_metrics,
        pace=FETCH_IN_BULK,
    )
    mqtt = MqttPublisher(
        _connection_options(settings),
        follower=follower,
        hub=hub,
        changes=changes,
        clock=system_clock,
        metrics=metrics,
        period_s=settings.outlet_period_s,
        messages_per_s_max=settings.outlet_messages_per_s_max,
    )
    streams = EventStreams(
        hub,
        LogReplay(settings.kafka_access(), REPLAYS_MAX),
        view_metrics,
        subscribers_max=WEBHOOKS_MAX,
        queue_bytes_max=QUEUE_BYTES_MAX,
        histories=Histories(hub, database, system_clock, asyncio.Semaphore(HISTORY_READS_MAX)),
    )
    async with (
        AsyncExitStack() as opened,
        _sender(settings) as sender,
        asyncio.TaskGroup() as tasks,
    ):
        await database.open(probing=False)
        opened.push_async_callback(database.close)
        turn = OutletsTurn()

        async def work() -> None:
            webhooks = _webhooks(settings, streams, sender, metrics, turn)
            async with asyncio.TaskGroup() as parts:
                parts.create_task(mqtt.run(), name="mqtt")
                parts.create_task(_run_webhooks(follower, webhooks), name="webhooks")

        tasks.create_task(follower.run(), name="log")
        tasks.create_task(_run_in_turn(settings, turn, work, metrics), name="outlets")
        tasks.create_task(_follow_model(hub, models), name="model")
        tasks.create_task(_notify_when_ready(follower), name="ready")


async def _run_in_turn(
    settings: OutletSettings,
    turn: OutletsTurn,
    work: Callable[[], Coroutine[Any, Any, None]],
    metrics: OutletMetrics,
) -> None:
    if settings.standby:
        await work_in_turn(settings.kafka_access(), turn, work, metrics)
    else:
        turn.begin_alone()
        metrics.working.set(1)
        await work()


def _connection_options(settings: OutletSettings) -> MqttConnectionOptions:
    return MqttConnectionOptions(broker=settings.mqtt_access(), keepalive_s=settings.mqtt_keepalive_s)


def _webhooks(
    settings: OutletSettings,
    streams: EventStreams,
    sender: WebhookSender,
    metrics: OutletMetrics,
    turn: OutletsTurn,
) -> WebhookSupervisor:
    repository = WebhookRepository(settings.database.get_secret_value())
    dependencies = DeliveryDependencies(
        streams=streams,
        sender=sender,
        source=EventSource.of_city(settings.city, settings.event_source, settings.event_type_prefix),
        policy=WebhookRetryPolicy(
            first_s=settings.webhook_retry_first_s,
            max_s=settings.webhook_retry_max_s,
            attempts_max=settings.webhook_tries_max,
            age_max_s=settings.webhook_age_max_s,
        ),
        rng=Random(secrets.randbits(64)),  # noqa: S311 - it spreads delays; it is no secret
        clock=system_clock,
        metrics=metrics,
        batch_s=settings.webhook_batch_s,
        add_dead_letter=repository.add_dead_letter,
        may_send=turn.may_send,
    )
    return WebhookSupervisor(repository, dependencies)


async def _run_webhooks(follower: LogFollower, webhooks: WebhookSupervisor) -> None:
    # Before the view is ready, a valid cursor would look like one that the log no longer has.
    await follower.ready.wait()
    await webhooks.run()


async def _follow_model(hub: Hub, models: CityModelSource) -> None:
    async for model in models.watch():
        hub.set_model(model)
        log.info(
            "the city model has version %d now",
            model.version,
            extra={"event": "outlets.model", "version": model.version},
        )


async def _notify_when_ready(follower: LogFollower) -> None:
    await follower.ready.wait()
    notify_ready()
    log.info("ready", extra={"event": "outlets.ready"})
