"""All scenarios by name."""

from __future__ import annotations

from tests.chaos.experiment import FaultScenario
from tests.chaos.full_disk import full_disk
from tests.chaos.kills import kill_broker, kill_kafka, kill_supervisor, random_kills
from tests.chaos.outages import (
    STORM_DEVICES,
    broker_away,
    broker_restarts,
    connection_storm,
    database_away,
    database_slow,
    half_open_connections,
    log_away,
)

EXPERIMENTS = {
    "kills": FaultScenario(random_kills),
    "killed-log": FaultScenario(kill_kafka),
    "killed-supervisor": FaultScenario(kill_supervisor),
    "database-away": FaultScenario(database_away),
    "database-slow": FaultScenario(database_slow),
    "log-away": FaultScenario(log_away),
    "broker-away": FaultScenario(broker_away),
    "broker-restarts": FaultScenario(broker_restarts),
    "killed-broker": FaultScenario(kill_broker),
    "half-open": FaultScenario(half_open_connections),
    "full-disk": FaultScenario(full_disk, small_disk=True),
    "storm": FaultScenario(connection_storm, connections=STORM_DEVICES),
}
