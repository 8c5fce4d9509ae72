"""Days on which something happens: changes of the truth, and faults of devices, by seed and start."""

from __future__ import annotations

from simulators.scenarios.catalogue import SCENARIOS, build_scenario
from simulators.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario", "build_scenario"]
