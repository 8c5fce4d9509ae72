"""Fault plans by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any

from simulators.faults.fault_plan import FAULT_TYPES, PlannedFault
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant

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
