"""Upkeep: what the historian does with what is stored: repairs, recomputations, retention."""

from __future__ import annotations

import asyncio
import logging

from runtime.clock import Clock
from runtime.model_source import CityModelSource
from storage.maintenance.repair import run_repairs
from storage.maintenance.retention import run_retention
from storage.settings import HistorianSettings
from twin.errors import ServiceError
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

MODEL_RETRY_S = 1.0


async def run_maintenance(settings: HistorianSettings, models: CityModelSource, clock: Clock) -> None:
    """Keep the database in order by the city model as it is, until cancelled."""
    model = await _wait_for_model(models)

    def present() -> CityModel:
        return model

    async def follow() -> None:
        nonlocal model
        async for newer in models.watch():
            model = newer

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(), name="model")
        tasks.create_task(run_repairs(settings.database.get_secret_value(), present, clock), name="repairs")
        tasks.create_task(run_retention(settings, present, clock), name="retention")


async def _wait_for_model(models: CityModelSource) -> CityModel:
    """Return the first model that there is; what is on the log is stored meanwhile."""
    told = False
    while True:
        try:
            return await models.load()
        except ServiceError as error:
            if not told:
                log.warning("repairs and retention wait for the city model: %s", error)
            told = True
            await asyncio.sleep(MODEL_RETRY_S)
