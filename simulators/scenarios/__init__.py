"""Days on which something happens: changes of the truth, and faults of devices, by seed and start."""

from __future__ import annotations

from simulators.scenarios.catalogue import SCENARIOS, Scenario, build_scenario

__all__ = ["SCENARIOS", "Scenario", "build_scenario"]
