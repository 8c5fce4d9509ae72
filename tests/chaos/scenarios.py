"""Everything that can be tried, by name."""

from __future__ import annotations

from tests.chaos.kills import killed_log, killed_supervisor, random_kills
from tests.chaos.trial import Scenario

SCENARIOS: dict[str, Scenario] = {
    "kills": random_kills,
    "killed-log": killed_log,
    "killed-supervisor": killed_supervisor,
}
