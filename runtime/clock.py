"""The only place that reads the clock. Everything else is given an instant, or a `Clock` to ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from twin.instant import Instant

Clock: TypeAlias = Callable[[], Instant]
"""Returns the present, in microseconds since the epoch, UTC."""


def system_clock() -> Instant:
    """Return the machine's idea of now."""
    return time.time_ns() // 1000
