"""Outlets on a real log and a real broker; their database is away unless a test gives one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from outlets.service import serve
from outlets.settings import OutletSettings
from tests.integration.api.conftest import (
    PARTITIONS,
    Models,
    api,
    log,
    model,
    open_log_fixture,
    start_api,
    stored,
)
from twin.model import CityModel

__all__ = ["api", "log", "model", "open_log_fixture", "start_api", "stored"]

StartOutlets = Callable[..., AbstractAsyncContextManager[CollectorRegistry]]


@pytest.fixture
def start_outlets(model: CityModel) -> StartOutlets:
    @asynccontextmanager
    async def start(
        kafka: str, mqtt: tuple[str, int], model: CityModel = model, **options: Any
    ) -> AsyncIterator[CollectorRegistry]:
        settings = OutletSettings(
            **{
                "city": "city",
                "kafka": kafka,
                "partitions": PARTITIONS,
                "mqtt_host": mqtt[0],
                "mqtt_port": mqtt[1],
                "outlet_period_s": 0.1,
                # Port 9 is nobody's: a database that is away.
                "database": "postgresql://nobody@127.0.0.1:9/none",
                **options,
            }
        )
        registry = CollectorRegistry()
        serving = asyncio.create_task(serve(settings, model, Models(model), registry))
        try:
            yield registry
        finally:
            # One that failed by itself fails the test.
            if not serving.done():
                serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    return start
