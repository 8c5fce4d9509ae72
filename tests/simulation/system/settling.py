"""The end of a run: everything is stored, and repairs are processed until there is none left."""

from __future__ import annotations

from collections.abc import Callable

from runtime.kafka import topics
from tests.simulation.system.model_alarm_repair import run_alarm_repairs
from tests.simulation.system.model_database import ModelDatabase
from tests.simulation.system.model_repair import run_repairs
from tests.simulation.system.simulated_log import SimulatedLog
from tests.simulation.system.simulated_stream import SimulatedStream
from twin.instant import Instant
from twin.model.city_model import CityModel

STORED_TOPICS = (
    topics.OBSERVATIONS,
    topics.UPDATES,
    topics.AGGREGATES,
    topics.ALARMS,
    topics.QUARANTINE,
)
ALL = 1_000_000

ROUNDS_MAX = 200


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
    clock: Callable[[], Instant],
) -> None:
    """Process the log, store it, and process repairs, until nothing is left to do."""
    for _ in range(ROUNDS_MAX):
        stream.drain()
        store_all(database, log)
        processed = run_repairs(database, model)
        processed += run_alarm_repairs(database, model, log, clock())
        if not processed:
            return
    raise AssertionError(f"repairs do not end after {ROUNDS_MAX} rounds")
