"""The backlog limit of the load generator when it looks for the highest rate of the system.

The broker acknowledges a message once it has queued it, even when the system is far behind. So a load as fast
as the *system* depends on the readings that were delivered and stored: the measuring processes share these
two numbers.
"""

from __future__ import annotations

from ctypes import c_longlong
from dataclasses import dataclass, field
from multiprocessing import sharedctypes
from typing import Any

UNDELIVERED_MAX = 5_000
"""Greatest number of readings sent, but not yet delivered as events."""

UNSTORED_MAX = 60_000
"""Greatest number of readings sent, but not known to be stored: PostgreSQL's counters are a second old."""


def _shared() -> Any:
    return sharedctypes.RawValue(c_longlong, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Readings of one run delivered and stored so far; one process writes each number."""

    undelivered_max: int = UNDELIVERED_MAX
    unstored_max: int = UNSTORED_MAX
    delivered: Any = field(default_factory=_shared)
    stored: Any = field(default_factory=_shared)

    def messages_max(self, pack: int) -> int:
        """Return how many messages may be sent by now."""
        return (
            min(int(self.delivered.value) + self.undelivered_max, int(self.stored.value) + self.unstored_max)
            // pack
        )
