"""The system clock, read here alone: all other code takes an instant or a `Clock` as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from twin.instant import Instant

Clock: TypeAlias = Callable[[], Instant]
"""Returns the current time, in microseconds since the epoch, UTC."""


def system_clock() -> Instant:
    """Return the current time of this machine."""
    return time.time_ns() // 1000


BootClock: TypeAlias = Callable[[], float]
"""Returns seconds since the start of this machine, also those in which it was suspended."""


def system_boot_clock() -> float:
    """Return the seconds since the start of this machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
