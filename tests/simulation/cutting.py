"""Cutting a broken run down: the smallest scenario that is still broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.scenario import Scenario

FailureCheck = Callable[[Scenario], list[str]]

_PARTS = ("log_loss", "new_model", "redelivery", "crashes", "garbage", "households", "faults")


def shrink(scenario: Scenario, broken: FailureCheck) -> Scenario:
    """Return a scenario of the same seed that is broken, and of which nothing more can be left out.

    The order is that of what makes a run easier to read. What is broken may be another thing in the end.
    """
    smaller: Scenario | None = scenario
    while smaller is not None:
        scenario = smaller
        smaller = next((one for one in _smaller(scenario) if broken(one)), None)
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for part in _PARTS:
        if getattr(scenario, part):
            yield replace(scenario, **{part: False})
    for sensors in range(1, scenario.sensors):
        yield replace(scenario, sensors=sensors)
    for share in (2, 1.3, 1.05):
        messages = int(scenario.messages / share)
        if 0 < messages < scenario.messages:
            yield replace(scenario, messages=messages)
