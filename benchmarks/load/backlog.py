"""How much may be under way: what the generator waits for when it is to find out what the system takes.

The broker acknowledges a message as soon as it has queued it, however far behind the system is. So a load
that is to be as fast as the *system*, and no faster, looks at what was told and stored: the processes that
measure share two numbers.
"""

from __future__ import annotations

from ctypes import c_longlong
from dataclasses import dataclass, field
from multiprocessing import sharedctypes
from typing import Any

UNDELIVERED_MAX = 5_000
"""Readings that were sent and not told yet, at most."""

UNSTORED_MAX = 60_000
"""Readings that were sent and not known to be stored, at most: the database's counters are a second old."""


def _shared() -> Any:
    return sharedctypes.RawValue(c_longlong, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Readings of one run that were told and stored so far; each is written by one process."""

    undelivered_max: int = UNDELIVERED_MAX
    unstored_max: int = UNSTORED_MAX
    delivered: Any = field(default_factory=_shared)
    stored: Any = field(default_factory=_shared)

    def messages_max(self, pack: int) -> int:
        """Return how many messages may have been sent by now."""
        return (
            min(int(self.delivered.value) + self.undelivered_max, int(self.stored.value) + self.unstored_max)
            // pack
        )
