"""The true values of sensors: random processes, each drawn from a generator of its own."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Signal = Callable[[], float]
"""Returns the true value of the next report."""


def walk(dice: Random, start: float, step: float, digits: int) -> Signal:
    """Return a random walk."""
    value = start

    def process() -> float:
        nonlocal value
        value += dice.uniform(-step, step)
        return round(value, digits)

    return process


def count(dice: Random, most: int) -> Signal:
    """Return independent counts below a number."""
    return lambda: float(dice.randrange(most))


def register(dice: Random, start: float, step: float) -> Signal:
    """Return the readings of a register that never falls."""
    value = start

    def process() -> float:
        nonlocal value
        value += dice.uniform(0.0, step)
        return round(value, 3)

    return process


def around(dice: Random) -> Signal:
    """Return independent directions in degrees."""
    return lambda: float(dice.randrange(360))


def plateaus(dice: Random, start: float, step: float, digits: int) -> Signal:
    """Return a random walk that sometimes stays equal for some reports, jumps, or has a single spike."""
    value, left = start, 0

    def process() -> float:
        nonlocal value, left
        if left:
            left -= 1
            return round(value, digits)
        fate = dice.random()
        if fate < 0.05:
            left = dice.randrange(3, 14)
        elif fate < 0.08:
            return round(value + dice.choice((-30.0, 30.0)) * step, digits)
        elif fate < 0.1:
            value += dice.choice((-40.0, 40.0)) * step
        value += dice.uniform(-step, step)
        return round(value, digits)

    return process


def standstills(dice: Random, start: float, step: float, digits: int) -> Signal:
    """Return a random walk that stays equal for many reports, and soon again after it has moved."""
    value, left = start, 0

    def process() -> float:
        nonlocal value, left
        if left:
            left -= 1
            return round(value, digits)
        if dice.random() < 0.2:
            left = dice.randrange(40, 160)
        value += dice.uniform(-step, step)
        return round(value, digits)

    return process
