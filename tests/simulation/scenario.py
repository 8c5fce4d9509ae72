"""Scenarios of simulated runs. Any part can be omitted, to find out what a failure needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from random import Random

SENSORS_MAX = 8
MESSAGES_MAX = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run. Equal scenarios give equal runs; omitting a part leaves the rest unchanged."""

    seed: int
    sensors: int = SENSORS_MAX  #: at most the first so many of the single sensors
    messages: int = MESSAGES_MAX  #: at most the first so many messages to arrive
    households: bool = True
    neighbours: bool = True  #: thermometers that are compared with each other
    faults: bool = True
    garbage: bool = True
    redelivery: bool = True  #: ingest crashes, and unacknowledged messages are delivered again
    crashes: bool = True  #: of the stream
    alarms: bool = True
    people: bool = True  #: acknowledge, shelve and unshelve alarms
    log_loss: bool = True
    new_model: bool = True  #: a calibration is changed while the city runs
    days: bool = True  #: in some cities sensors report each hour for days, instead of each minute for hours
    standstills: bool = True  #: in some cities sensors report one value for hours
    backlogs: bool = True  #: many hours of a device arrive in one moment, or the second half of them first
    outages: bool = (
        True  #: in some hourly cities devices send hours of a day and a half ago, and then the newest
    )
    doubts: bool = True  #: devices say that some of their values are doubtful
    corrections: bool = True  #: devices send other values for the same times later
    restarts: bool = True  #: the system stops, and begins with an empty log and what the database stores
    new_rules: bool = False  #: quality rules are changed in the second half of the run
    awaited: bool = False  #: check also the invariants that the system does not keep yet

    def dice(self, purpose: str) -> Random:
        """Return a random generator for one purpose, which omitting another part does not change."""
        return Random(f"{self.seed}/{purpose}")

    def command_options(self) -> str:
        """Return the options of `python -m tests.simulation` that repeat this scenario."""
        options = [f"--seed {self.seed}"]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "seed" or value == field.default:
                continue
            part = "--without" if value is False else "--with"
            options.append(f"{part} {field.name}" if isinstance(value, bool) else f"--{field.name} {value}")
        return " ".join(options)


# --- shrinking ---

FailureCheck = Callable[[Scenario], list[str]]

_PARTS = (
    "log_loss",
    "new_model",
    "redelivery",
    "crashes",
    "garbage",
    "households",
    "neighbours",
    "people",
    "doubts",
    "restarts",
    "new_rules",
    "corrections",
    "backlogs",
    "outages",
    "faults",
)


def shrink(scenario: Scenario, broken: FailureCheck) -> Scenario:
    """Return the smallest scenario of the same seed that still fails.

    Parts are omitted in the order that makes a run easier to read. In the end another invariant may fail.
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
