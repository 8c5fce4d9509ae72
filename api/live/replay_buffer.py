"""The newest records of the log, kept in memory for subscribers that resume; bounded in events and in bytes.

Records are kept as they lie on the log, a hundred bytes an update instead of six hundred, and are read again
when somebody resumes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from api.live.cursor import PartitionPosition
from twin.alarms.messages import ALARMS, AlarmEvent
from twin.wire.messages import UPDATES, Update


class BufferedChange(NamedTuple):
    """What was told, and where it stands."""

    partition_index: int  #: `api.live.partition_order`
    offset: int
    record_index: int  #: in its record
    change: Update | AlarmEvent


class BufferedRecord(NamedTuple):
    """A record of the log, and what of it was news."""

    partition_index: int
    offset: int
    record: bytes
    indexes: Sequence[int]  #: of the updates, or events of alarms, that were told; rising, not empty
    of_alarms: bool  #: whether it is one of `of_alarms`


class ReplayBuffer:
    """The last records, of at most `events_max` events and `bytes_max` bytes, in the order of telling."""

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._kept: deque[BufferedRecord] = deque()
        self._events = self._bytes = 0
        self._floor: list[PartitionPosition] = []

    def __len__(self) -> int:
        """Return how many events it holds."""
        return self._events

    def reset(self, floor: Sequence[PartitionPosition]) -> None:
        """Forget everything; from now on the ring reaches back to `floor`."""
        self._kept.clear()
        self._events = self._bytes = 0
        self._floor = list(floor)

    def append(self, kept: BufferedRecord) -> None:
        """Keep a record, and drop the oldest when there is too much."""
        self._kept.append(kept)
        self._events += len(kept.indexes)
        self._bytes += len(kept.record)
        while self._events > self._events_max or self._bytes > self._bytes_max:
            oldest = self._kept.popleft()
            self._events -= len(oldest.indexes)
            self._bytes -= len(oldest.record)
            self._floor[oldest.partition_index] = oldest.offset + 1, 0

    def since(self, positions: Sequence[PartitionPosition]) -> list[BufferedChange] | None:
        """Return what was told from `positions` on, or None when the ring does not reach back so far."""
        if any(position < floor for position, floor in zip(positions, self._floor, strict=True)):
            return None
        found: list[BufferedChange] = []
        for kept in self._kept:
            place = positions[kept.partition_index]
            if (kept.offset, kept.indexes[-1]) >= place:
                told = _told(kept)
                found += [
                    BufferedChange(kept.partition_index, kept.offset, number, told[number])
                    for number in kept.indexes
                    if (kept.offset, number) >= place
                ]
        return found


def _told(kept: BufferedRecord) -> Sequence[Update | AlarmEvent]:
    return ALARMS.decode(kept.record).alarms if kept.of_alarms else UPDATES.decode(kept.record).updates
