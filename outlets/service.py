"""The outlets role: follows the log into a live view of its own, and tells it over MQTT."""

from __future__ import annotations

import asyncio
import logging

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from api.database import stored_seed
from api.feed import Feed
from api.hub import Hub
from api.metrics import ApiMetrics
from outlets.broker import BrokerOptions
from outlets.metrics import OutletMetrics
from outlets.mqtt_out import MqttOut
from outlets.outbox import Outbox
from outlets.settings import OutletSettings
from runtime.city_model import Models
from runtime.clock import system_clock
from runtime.metrics import serve_metrics
from runtime.readiness import notify_ready
from twin.model import CityModel

log = logging.getLogger(__name__)

# About 700 bytes an event: 35 MB, from which webhooks go on that were late for a moment.
RING_EVENTS_MAX = 50_000


async def run(settings: OutletSettings, models: Models) -> None:
    """Work until cancelled. Raises ServiceError when there is no city model."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    serve_metrics(registry, settings.metrics_port)
    await serve(settings, await models.load(), models, registry)


async def serve(
    settings: OutletSettings, model: CityModel, models: Models, registry: CollectorRegistry
) -> None:
    """Tell the live view of a model, until cancelled."""
    dsn = settings.database.get_secret_value()
    metrics, view_metrics = OutletMetrics(registry), ApiMetrics(registry)
    outbox = Outbox()
    hub = Hub(
        model,
        system_clock,
        view_metrics,
        partitions=settings.partitions,
        ring_events_max=RING_EVENTS_MAX,
        watcher=outbox,
    )
    feed = Feed(
        settings.kafka,
        settings.partitions,
        hub,
        lambda log_id: stored_seed(dsn, log_id, role="outlets"),
        view_metrics,
    )
    password = settings.mqtt_password
    mqtt = MqttOut(
        BrokerOptions(
            host=settings.mqtt_host,
            port=settings.mqtt_port,
            username=settings.mqtt_username,
            password=None if password is None else password.get_secret_value(),
            keepalive_s=settings.mqtt_keepalive_s,
        ),
        feed=feed,
        hub=hub,
        outbox=outbox,
        clock=system_clock,
        metrics=metrics,
        period_s=settings.outlet_period_s,
        messages_per_s_max=settings.outlet_messages_per_s_max,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run(), name="feed")
        tasks.create_task(mqtt.run(), name="mqtt")
        tasks.create_task(_follow_model(hub, models), name="model")
        tasks.create_task(_announce(feed), name="ready")


async def _follow_model(hub: Hub, models: Models) -> None:
    async for model in models.watch():
        hub.remodel(model)
        log.info("the city model has version %d now", model.version)


async def _announce(feed: Feed) -> None:
    await feed.ready.wait()
    notify_ready()
    log.info("ready")
