"""Fixtures: outlets on a real log and a real broker; without a database unless a test gives one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cli.embedded.kafka import EmbeddedKafka
from outlets.service import run_with_model
from outlets.settings import OutletSettings
from runtime.kafka.topics import create_topics, partition_counts
from tests.integration.api.conftest import (
    PARTITIONS,
    api,
    log,
    model,
    open_log_fixture,
    start_api,
    stored,
)
from tests.integration.outlets.webhook_system import FAST_RETRIES, LOOPBACK, WebhookSystem
from tests.support.cities.model_source import FakeModelSource
from tests.support.database.role_accounts import role_dsn
from twin.model.city_model import CityModel

__all__ = ["api", "log", "model", "open_log_fixture", "start_api", "stored"]

StartOutlets = Callable[..., AbstractAsyncContextManager[CollectorRegistry]]


@pytest.fixture
def start_outlets(model: CityModel) -> StartOutlets:
    @asynccontextmanager
    async def start(
        kafka: str, mqtt: tuple[str, int], model: CityModel = model, **options: Any
    ) -> AsyncIterator[CollectorRegistry]:
        # Nothing listens on port 9: an unavailable database.
        database = options.pop("database", "postgresql://nobody@127.0.0.1:9/none")
        settings = OutletSettings(
            **{
                "city": "city",
                "kafka": kafka,
                "partitions": PARTITIONS,
                "mqtt_host": mqtt[0],
                "mqtt_port": mqtt[1],
                "outlet_period_s": 0.1,
                "database": role_dsn(database, "outlets"),
                **options,
            }
        )
        registry = CollectorRegistry()
        serving = asyncio.create_task(run_with_model(settings, model, FakeModelSource(model), registry))
        try:
            yield registry
        finally:
            # A role that failed by itself fails the test.
            if not serving.done():
                serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    return start


@pytest.fixture
async def second_kafka(service_folder: Path) -> AsyncIterator[str]:
    """The bootstrap address of another log."""
    folder = service_folder / "second"
    folder.mkdir(mode=0o755)
    broker = EmbeddedKafka(folder)
    await broker.start()
    try:
        await create_topics(broker.bootstrap, partition_counts(PARTITIONS))
        yield broker.bootstrap
    finally:
        await broker.stop()


@pytest.fixture
async def hooks(
    start_api: Any, start_outlets: Any, kafka: str, mqtt: tuple[str, int], stored: Any
) -> AsyncIterator[WebhookSystem]:
    @asynccontextmanager
    async def start(kafka: str = kafka, **options: Any) -> AsyncIterator[CollectorRegistry]:
        async with start_outlets(
            kafka, mqtt, stored.model, database=stored.dsn, **{**FAST_RETRIES, **options}
        ) as counted:
            yield counted

    async with (
        start_api(kafka, stored.model, database=stored.dsn, sink_networks=LOOPBACK) as api,
        AsyncExitStack() as outlets,
    ):
        yield WebhookSystem(api, outlets, start)
