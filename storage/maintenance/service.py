"""Maintenance of stored rows: runs repairs, recomputation and retention in the historian role."""

from __future__ import annotations

import asyncio
import logging

from runtime.clock import Clock
from runtime.model_source import CityModelSource
from storage.maintenance.alarm_inputs_log import KafkaAlarmInputs
from storage.maintenance.alarm_repair import run_alarm_repairs
from storage.maintenance.log_sender import KafkaRepairLog
from storage.maintenance.repair import run_repairs
from storage.maintenance.retention import run_retention
from storage.maintenance.window_feedback import run_window_feedback
from storage.settings import HistorianSettings
from twin.errors import ServiceError
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

MODEL_RETRY_S = 1.0


async def run_maintenance(settings: HistorianSettings, models: CityModelSource, clock: Clock) -> None:
    """Run repairs and retention by the present city model, until cancelled."""
    model = await _wait_for_model(models)

    def current() -> CityModel:
        return model

    async def follow() -> None:
        nonlocal model
        async for newer in models.watch():
            model = newer

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(), name="model")
        stream = KafkaRepairLog(settings.kafka_access(), settings.partitions)
        tasks.create_task(
            run_repairs(settings.database.get_secret_value(), current, stream, clock), name="repairs"
        )
        alarm_inputs = KafkaAlarmInputs(settings.kafka_access(), settings.partitions)
        tasks.create_task(
            run_alarm_repairs(settings.database.get_secret_value(), current, alarm_inputs, clock),
            name="alarm repairs",
        )
        tasks.create_task(
            run_window_feedback(
                settings.database.get_secret_value(), current, settings.kafka_access(), settings.partitions
            ),
            name="repaired windows",
        )
        tasks.create_task(run_retention(settings, current, clock), name="retention")


async def _wait_for_model(models: CityModelSource) -> CityModel:
    """Wait for the first model and return it; the historian stores records meanwhile."""
    is_logged = False
    while True:
        try:
            return await models.load()
        except ServiceError as error:
            if not is_logged:
                log.warning(
                    "repairs and retention wait for the city model: %s",
                    error,
                    extra={"event": "maintenance.model_unavailable"},
                )
            is_logged = True
            await asyncio.sleep(MODEL_RETRY_S)
