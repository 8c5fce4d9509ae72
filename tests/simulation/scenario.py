"""Scenarios: of what a simulated run is made. Any part can be left out, to find what a failure needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from random import Random

SENSORS_MAX = 8
MESSAGES_MAX = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run. The same scenario is the same run, in every process; what is cut leaves the rest as it was."""

    seed: int
    sensors: int = SENSORS_MAX  #: at most so many of the single sensors, the first ones
    messages: int = MESSAGES_MAX  #: at most so many messages, the first ones that arrive
    households: bool = True
    neighbours: bool = True  #: thermometers that are compared with each other
    faults: bool = True
    garbage: bool = True
    redelivery: bool = True  #: ingest crashes, and what it had not acknowledged comes again
    crashes: bool = True  #: of the stream
    alarms: bool = True
    log_loss: bool = True
    new_model: bool = True  #: a calibration is changed while the city runs

    def dice(self, purpose: str) -> Random:
        """Return dice of their own for one purpose, so that a cut elsewhere does not change them."""
        return Random(f"{self.seed}/{purpose}")

    def command_options(self) -> str:
        """Return the options of `python -m tests.simulation` that play this scenario."""
        options = [f"--seed {self.seed}"]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "seed" or value == one.default:
                continue
            options.append(f"--without {one.name}" if value is False else f"--{one.name} {value}")
        return " ".join(options)


# Cutting a broken run down: the smallest scenario that is still broken.

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
