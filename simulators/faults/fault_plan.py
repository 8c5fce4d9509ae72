"""Fault plans: which device has which fault at what time, from a YAML or JSON file or from a seed.

::

    faults:
      - {device: "wl-*", fault: stuck, field: level, from: PT10M, for: PT2H}
      - {device: "aq-*", fault: spike, probability: 0.02, height: 300}
      - {device: "*", fault: outage, from: 2026-11-24T03:00:00Z, for: PT30M, every: P1D}

`from` is a time, or a duration after the start of the simulation. Without `from` a fault is active from the
start, without `for` until the end. The other members are the parameters of the fault's class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, NoReturn

import yaml

from cities.duration import parse_duration
from simulators.faults.clock_faults import ClockDriftFault, ClockStepFault, DstNightFault
from simulators.faults.fault import DeviceFault
from simulators.faults.network_faults import (
    BacklogFault,
    DropoutFault,
    DuplicateFault,
    LateFault,
    OutageFault,
    ReorderFault,
    SwappedHalvesFault,
)
from simulators.faults.sensor_faults import (
    BlindCounterFault,
    CorrectionFault,
    DriftFault,
    RebootFault,
    SpikeFault,
    StuckFault,
    WrongUnitFault,
)
from twin.errors import TwinError
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, from_datetime, parse_instant

FAULT_TYPES: Mapping[str, type[DeviceFault]] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            WrongUnitFault, StuckFault, DriftFault, SpikeFault, BlindCounterFault, RebootFault,
            ClockStepFault, ClockDriftFault, DstNightFault,
            DropoutFault, OutageFault, DuplicateFault, ReorderFault, LateFault,
            BacklogFault, SwappedHalvesFault, CorrectionFault,
        )
    }
)  # fmt: skip
"""Name → fault. A new fault needs a class and an entry here."""

PLAN_FAULTS_MAX = 10_000
_MEMBERS = {"start": "from", "length": "for"}
_SHARES = ("probability",)


FAULTY_SHARE = 0.5
FAULTS_MAX = 3
"""Most faults of one device in a random plan."""

# Random parameters of each fault, besides its window. Heights and rates must suit all observed properties, so
# they are large for small quantities and small for large ones.
_RANDOM_PARAMETERS: Mapping[str, Callable[[Random], dict[str, Any]]] = MappingProxyType(
    {
        "wrong-unit": lambda random: {"factor": random.choice((0.001, 0.01, 100.0, 1000.0))},
        "stuck": lambda random: {},
        "drift": lambda random: {"per_hour": random.uniform(-5.0, 5.0)},
        "spike": lambda random: {
            "height": random.uniform(10.0, 500.0),
            "probability": random.uniform(0.01, 0.2),
        },
        "blind-counter": lambda random: {},
        "reboot": lambda random: {"silent": random.randrange(SECOND, 10 * MINUTE)},
        "clock-step": lambda random: {"seconds": random.choice((-3600.0, -90.0, 45.0, 240.0, 3600.0))},
        "clock-drift": lambda random: {"ppm": random.uniform(-500.0, 500.0)},
        "dst-night": lambda random: {},
        "dropout": lambda random: {"probability": random.choice((0.1, 0.5, 1.0))},
        "outage": lambda random: {"capacity": random.choice((10, 1000)), "spacing": random.randrange(SECOND)},
        "duplicate": lambda random: {"probability": random.uniform(0.05, 1.0)},
        "reorder": lambda random: {"probability": random.uniform(0.05, 0.5), "by": random.randrange(1, HOUR)},
        "late": lambda random: {"by": random.randrange(SECOND, 3 * HOUR)},
        "backlog": lambda random: {},
        "swapped-halves": lambda random: {"pause": random.choice((0, SECOND, HOUR))},
        "correction": lambda random: {
            "factor": random.choice((0.1, 0.5, 1.5, 10.0)),
            "after": random.choice((0, MINUTE, random.randrange(1, 3 * HOUR))),
            "probability": random.choice((0.05, 0.3, 1.0)),
        },
    }
)


class FaultPlanError(TwinError):
    """A fault plan is wrong; the message has the file, the fault's number, what was found and expected."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault, and a glob for the ids of the sensors that have it."""

    device: str
    fault: DeviceFault


def faults_for_sensor(plan: Sequence[PlannedFault], sensor: str) -> list[DeviceFault]:
    """Return the faults of a sensor in the order of the plan."""
    return [one.fault for one in plan if fnmatchcase(sensor, one.device)]


def read_fault_plan(path: Path, origin: Instant) -> list[PlannedFault]:
    """Return the plan of a file; `origin` is the start of the simulation. Raises FaultPlanError, OSError."""
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FaultPlanError(f"{path}: expected YAML or JSON: {error}") from error
    return parse_fault_plan(document, origin, str(path))


def parse_fault_plan(document: Any, origin: Instant, where: str) -> list[PlannedFault]:
    """Return the plan of a parsed document: a list of faults, or an object with the list `faults`."""
    entries = document.get("faults") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise FaultPlanError(f"{where}: expected a list of faults under 'faults'")
    if len(entries) > PLAN_FAULTS_MAX:
        raise FaultPlanError(f"{where}: found {len(entries)} faults, at most {PLAN_FAULTS_MAX} are allowed")
    return [_planned(one, origin, f"{where}, fault {number}") for number, one in enumerate(entries, 1)]


def _planned(entry: Any, origin: Instant, where: str) -> PlannedFault:
    if not isinstance(entry, dict):
        raise FaultPlanError(f"{where}: found {entry!r}, expected {{device: …, fault: …}}")
    parameters = dict(entry)
    device, name = parameters.pop("device", None), parameters.pop("fault", None)
    if not isinstance(device, str) or not device:
        raise FaultPlanError(f"{where}: device is {device!r}, expected a sensor id or a glob such as 'wl-*'")
    kind = FAULT_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FaultPlanError(f"{where}: fault is {name!r}, expected one of {', '.join(FAULT_TYPES)}")
    # Annotations are strings here: the name of the type decides how to parse a parameter.
    types = {_MEMBERS.get(one.name, one.name): (one.name, str(one.type)) for one in fields(kind)}
    values: dict[str, Any] = {}
    for member, value in parameters.items():
        if member not in types:
            raise FaultPlanError(
                f"{where}: found {member!r}, which is no parameter of the fault {name!r}; expected some of "
                f"{', '.join(types)}"
            )
        attribute, type_name = types[member]
        values[attribute] = _value(value, type_name, origin, f"{where}: {member}")
        if attribute in _SHARES and not 0.0 <= values[attribute] <= 1.0:
            raise FaultPlanError(f"{where}: {member} is {value!r}, expected 0 to 1")
    return PlannedFault(device, kind(**values))


def _value(value: Any, type_name: str, origin: Instant, where: str) -> Any:
    try:
        if type_name == "Instant":
            return _instant(value, origin)
        if type_name == "Duration":
            return parse_duration(value if isinstance(value, str) else repr(value))
    except ValueError as error:
        raise FaultPlanError(f"{where} is {value!r}: {error}") from error
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_name == "int":
        if number and value == int(value) and value >= 0:
            return int(value)
        _refuse(where, value, "a whole number that is not negative")
    if type_name.startswith("float"):
        if number and abs(value) < float("inf"):
            return float(value)
        _refuse(where, value, "a number")
    if not isinstance(value, str):
        _refuse(where, value, "a text")
    return value


def _refuse(where: str, value: Any, expected: str) -> NoReturn:
    raise FaultPlanError(f"{where} is {value!r}, expected {expected}")


def _instant(value: Any, origin: Instant) -> Instant:
    # YAML parses texts such as timestamps into datetimes, which are naive without an offset.
    if isinstance(value, datetime):
        return from_datetime(value)
    if not isinstance(value, str):
        raise ValueError("expected a time with an offset, or a duration after the start such as PT10M")
    return origin + parse_duration(value) if value.startswith("P") else parse_instant(value)


def random_fault_plan(
    seed: int,
    devices: Sequence[str],
    *,
    start: Instant = 0,
    span: Duration = DAY,
    kinds: Sequence[str] = tuple(FAULT_TYPES),
) -> list[PlannedFault]:
    """Return random faults for about half of the devices, within `span` after `start`.

    Equal seeds give equal plans. `kinds` limits the plan to these names; network faults change no values.
    """
    random = Random(seed)
    plan: list[PlannedFault] = []
    for device in devices:
        if random.random() >= FAULTY_SHARE:
            continue
        for name in random.sample(kinds, k=min(len(kinds), random.randint(1, FAULTS_MAX))):
            offset = random.randrange(max(1, span))
            window: dict[str, Any] = {
                "start": start + offset,
                "length": random.randrange(1, max(2, span - offset)),
            }
            plan.append(PlannedFault(device, FAULT_TYPES[name](**window, **_RANDOM_PARAMETERS[name](random))))
    return plan
