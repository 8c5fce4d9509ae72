"""Everything that can be tried, by name."""

from __future__ import annotations

from tests.chaos.broker_loss import killed_broker
from tests.chaos.experiment import Case
from tests.chaos.full_disk import full_disk
from tests.chaos.kills import killed_log, killed_supervisor, random_kills
from tests.chaos.outages import (
    broker_away,
    broker_restarts,
    database_away,
    database_slow,
    half_open_connections,
    log_away,
)
from tests.chaos.storm import DEVICES, storm

CASES = {
    "kills": Case(random_kills),
    "killed-log": Case(killed_log),
    "killed-supervisor": Case(killed_supervisor),
    "database-away": Case(database_away),
    "database-slow": Case(database_slow),
    "log-away": Case(log_away),
    "broker-away": Case(broker_away),
    "broker-restarts": Case(broker_restarts),
    "killed-broker": Case(killed_broker),
    "half-open": Case(half_open_connections),
    "full-disk": Case(full_disk, small_disk=True),
    "storm": Case(storm, connections=DEVICES),
}
