"""Fault plans: which device has which fault when, as a YAML or JSON file says it.

::

    faults:
      - {device: "wl-*", fault: stuck, field: level, from: PT10M, for: PT2H}
      - {device: "aq-*", fault: spike, probability: 0.02, height: 300}
      - {device: "*", fault: outage, from: 2026-11-24T03:00:00Z, for: PT30M, every: P1D}

`from` is a time, or a duration after the start of the simulation; without it a fault is there from the start,
without `for` to the end. The other members are the parameters of the fault's class.
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
    DropoutFault,
    DuplicateFault,
    LateFault,
    OutageFault,
    ReorderFault,
)
from simulators.faults.sensor_faults import (
    BlindCounterFault,
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
        one.name: one
        for one in (
            WrongUnitFault, StuckFault, DriftFault, SpikeFault, BlindCounterFault, RebootFault,
            ClockStepFault, ClockDriftFault, DstNightFault,
            DropoutFault, OutageFault, DuplicateFault, ReorderFault, LateFault,
        )
    }
)  # fmt: skip
"""Name → fault. A fault is added with one class and one entry here."""

PLAN_FAULTS_MAX = 10_000
_MEMBERS = {"start": "from", "length": "for"}
_SHARES = ("probability",)


class FaultPlanError(TwinError):
    """A fault plan cannot be used; says the file, which fault of it, what was found and what is expected."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault, and the glob of the ids of the sensors that have it."""

    device: str
    fault: DeviceFault


def faults_for_sensor(plan: Sequence[PlannedFault], sensor: str) -> list[DeviceFault]:
    """Return the faults of a sensor, in the order of the plan."""
    return [one.fault for one in plan if fnmatchcase(sensor, one.device)]


def read_fault_plan(path: Path, origin: Instant) -> list[PlannedFault]:
    """Return the plan in a file; `origin` is the start of the simulation. Raises FaultPlanError, OSError."""
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FaultPlanError(f"{path}: expected YAML or JSON: {error}") from error
    return parse_fault_plan(document, origin, str(path))


def parse_fault_plan(document: Any, origin: Instant, where: str) -> list[PlannedFault]:
    """Return the plan in a parsed document: a list of faults, alone or under `faults`."""
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
    # Annotations are texts here: what a parameter is follows from the name of its type.
    types = {_MEMBERS.get(one.name, one.name): (one.name, str(one.type)) for one in fields(kind)}
    values: dict[str, Any] = {}
    for member, value in parameters.items():
        if member not in types:
            raise FaultPlanError(
                f"{where}: found {member!r}, which a fault {name!r} does not have; expected some of "
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
    # YAML makes datetimes of what looks like one; without an offset they are naive.
    if isinstance(value, datetime):
        return from_datetime(value)
    if not isinstance(value, str):
        raise ValueError("expected a time with an offset, or a duration after the start such as PT10M")
    return origin + parse_duration(value) if value.startswith("P") else parse_instant(value)


# Fault plans by seed.

FAULTY_SHARE = 0.5
FAULTS_MAX = 3
"""Faults that one device has, at most."""

# What is drawn for a fault beside its window. Heights and rates are large for small quantities and small for
# large ones: a plan that knows no property has to suit them all.
_DICE: Mapping[str, Callable[[Random], dict[str, Any]]] = MappingProxyType(
    {
        "wrong-unit": lambda dice: {"factor": dice.choice((0.001, 0.01, 100.0, 1000.0))},
        "stuck": lambda dice: {},
        "drift": lambda dice: {"per_hour": dice.uniform(-5.0, 5.0)},
        "spike": lambda dice: {"height": dice.uniform(10.0, 500.0), "probability": dice.uniform(0.01, 0.2)},
        "blind-counter": lambda dice: {},
        "reboot": lambda dice: {"silent": dice.randrange(SECOND, 10 * MINUTE)},
        "clock-step": lambda dice: {"seconds": dice.choice((-3600.0, -90.0, 45.0, 240.0, 3600.0))},
        "clock-drift": lambda dice: {"ppm": dice.uniform(-500.0, 500.0)},
        "dst-night": lambda dice: {},
        "dropout": lambda dice: {"probability": dice.choice((0.1, 0.5, 1.0))},
        "outage": lambda dice: {"capacity": dice.choice((10, 1000)), "spacing": dice.randrange(SECOND)},
        "duplicate": lambda dice: {"probability": dice.uniform(0.05, 1.0)},
        "reorder": lambda dice: {"probability": dice.uniform(0.05, 0.5), "by": dice.randrange(1, HOUR)},
        "late": lambda dice: {"by": dice.randrange(SECOND, 3 * HOUR)},
    }
)


def random_fault_plan(
    seed: int,
    devices: Sequence[str],
    *,
    start: Instant = 0,
    span: Duration = DAY,
    kinds: Sequence[str] = tuple(FAULT_TYPES),
) -> list[PlannedFault]:
    """Return faults for about half of the devices, within `span` after `start`; the same for the same seed.

    `kinds` are the names to draw from: the faults on the way alone leave every value true.
    """
    dice = Random(seed)
    plan: list[PlannedFault] = []
    for device in devices:
        if dice.random() >= FAULTY_SHARE:
            continue
        for name in dice.sample(kinds, k=min(len(kinds), dice.randint(1, FAULTS_MAX))):
            begins = dice.randrange(max(1, span))
            window: dict[str, Any] = {
                "start": start + begins,
                "length": dice.randrange(1, max(2, span - begins)),
            }
            plan.append(PlannedFault(device, FAULT_TYPES[name](**window, **_DICE[name](dice))))
    return plan
