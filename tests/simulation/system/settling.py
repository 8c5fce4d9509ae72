"""The end of a run: everything is stored, and repairs are processed until there is none left."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.system.model_alarm_repair import run_alarm_repairs
from tests.simulation.system.model_area_repair import run_area_repairs
from tests.simulation.system.model_database import STORED_TOPICS, ModelDatabase
from tests.simulation.system.model_repair import run_repairs, send_repaired_windows
from tests.simulation.system.model_series_repair import run_series_repairs
from tests.simulation.system.simulated_log import SimulatedLog
from tests.simulation.system.simulated_stream import SimulatedStream
from twin.instant import HOUR, Duration, Instant
from twin.model.city_model import CityModel

ALL = 1_000_000

ROUNDS_MAX = 60

LAST_HOURS = 3
"""How long time passes after everything is repaired."""


def store_all(database: ModelDatabase, log: SimulatedLog) -> None:
    """Store everything that is on the log."""
    for topic, partition in log.partitions():
        if topic in STORED_TOPICS:
            database.store_records(log, topic, partition, ALL)


def settle(
    database: ModelDatabase,
    model: CityModel,
    stream: SimulatedStream,
    log: SimulatedLog,
    pass_time: Callable[[Duration], Instant],
) -> bool:
    """Process the log, store it, and process repairs; return whether nothing is left to do in the end.

    `pass_time` lets time pass on the log, and returns the present: delays of alarms end in the last hours.
    """
    hours_left = LAST_HOURS
    for _ in range(ROUNDS_MAX):
        stream.drain()
        store_all(database, log)
        processed = run_repairs(database, model)
        processed += send_repaired_windows(database, model, log)
        processed += run_series_repairs(database, model, log)
        processed += run_area_repairs(database, model, log)
        processed += run_alarm_repairs(database, model, log, pass_time(0))
        if not processed:
            if not hours_left:
                return True
            hours_left -= 1
            pass_time(HOUR)
    return False
