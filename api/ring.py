"""The newest updates and alarms of the log, kept in memory for subscribers that resume; bounded in number."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from api.cursor import Position
from twin.alarms.messages import AlarmEvent
from twin.messages import Update


class Entry(NamedTuple):
    """What was told, and where it stands."""

    lane: int  #: `api.lanes`
    offset: int
    number: int  #: in its record
    told: Update | AlarmEvent


class Ring:
    """The last `events_max` of them, in the order in which they were told."""

    def __init__(self, events_max: int) -> None:
        self._events_max = events_max
        self._entries: deque[Entry] = deque()
        self._floor: list[Position] = []

    def __len__(self) -> int:
        return len(self._entries)

    def reset(self, floor: Sequence[Position]) -> None:
        """Forget everything; from now on the ring reaches back to `floor`."""
        self._entries.clear()
        self._floor = list(floor)

    def append(self, entry: Entry) -> None:
        """Keep an entry, and drop the oldest when there are too many."""
        self._entries.append(entry)
        if len(self._entries) > self._events_max:
            oldest = self._entries.popleft()
            self._floor[oldest.lane] = oldest.offset, oldest.number + 1

    def since(self, positions: Sequence[Position]) -> list[Entry] | None:
        """Return the entries from `positions` on, or None when the ring does not reach back so far."""
        if any(position < floor for position, floor in zip(positions, self._floor, strict=True)):
            return None
        return [one for one in self._entries if (one.offset, one.number) >= positions[one.lane]]
