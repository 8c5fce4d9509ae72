"""The newest records of the log, kept in memory for subscribers that resume; bounded in events and in bytes.

Records are kept as encoded on the log, at a hundred bytes an update instead of six hundred, and are decoded
when a subscriber resumes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from api.live.cursor import PartitionPosition
from twin.alarms.messages import ALARMS, AlarmEvent
from twin.wire.messages import UPDATES, Update


class BufferedChange(NamedTuple):
    """A change that was sent to subscribers, and its position in the log."""

    partition_index: int  #: in `api.live.partition_order`
    offset: int
    record_index: int  #: in its record
    change: Update | AlarmEvent


class BufferedRecord(NamedTuple):
    """A record of the log, and which of its changes were sent to subscribers."""

    partition_index: int
    offset: int
    record: bytes
    indexes: Sequence[int]  #: of the updates or alarm events that were sent; ascending, not empty
    of_alarms: bool  #: whether it is a record of `alarms`


class ReplayBuffer:
    """The last records, of at most `events_max` events and `bytes_max` bytes, in the order of sending."""

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._records: deque[BufferedRecord] = deque()
        self._events = self._bytes = 0
        self._floor: list[PartitionPosition] = []
        self._newest: dict[int, int] = {}  # the offset of the newest record, by partition

    def __len__(self) -> int:
        """Return the number of buffered events."""
        return self._events

    def reset(self, floor: Sequence[PartitionPosition]) -> None:
        """Drop all records; the buffer then reaches back to `floor`."""
        self._records.clear()
        self._events = self._bytes = 0
        self._floor = list(floor)
        self._newest.clear()

    def append(self, record: BufferedRecord) -> None:
        """Add a record, and drop the oldest ones beyond the bounds."""
        self._records.append(record)
        self._newest[record.partition_index] = record.offset
        self._events += len(record.indexes)
        self._bytes += len(record.record)
        while self._events > self._events_max or self._bytes > self._bytes_max:
            oldest = self._records.popleft()
            self._events -= len(oldest.indexes)
            self._bytes -= len(oldest.record)
            self._floor[oldest.partition_index] = oldest.offset + 1, 0

    def since(self, positions: Sequence[PartitionPosition]) -> list[BufferedChange] | None:
        """Return the changes from `positions` on, or None when the buffer does not reach back so far."""
        if any(position < floor for position, floor in zip(positions, self._floor, strict=True)):
            return None
        buffered: list[BufferedChange] = []
        for record in self._records:
            position = positions[record.partition_index]
            if (record.offset, record.indexes[-1]) >= position:
                changes = decode_record(record)
                buffered += [
                    BufferedChange(record.partition_index, record.offset, index, changes[index])
                    for index in record.indexes
                    if (record.offset, index) >= position
                ]
        return buffered

    def records_since(self, offsets: Sequence[int]) -> list[BufferedRecord] | None:
        """Return the records from an offset of each partition on, or None as `since` does.

        Takes a time proportional to the new records, not to the buffer: readers ask for each new one.
        """
        if any((offset, 0) < floor for offset, floor in zip(offsets, self._floor, strict=True)):
            return None
        found: list[BufferedRecord] = []
        unread = {partition for partition, newest in self._newest.items() if newest >= offsets[partition]}
        for record in reversed(self._records):
            if not unread:
                break
            if record.partition_index in unread:
                if record.offset >= offsets[record.partition_index]:
                    found.append(record)
                else:
                    unread.discard(record.partition_index)
        found.reverse()
        return found


def decode_record(record: BufferedRecord) -> Sequence[Update | AlarmEvent]:
    """Return all changes of a record, also those that were sent to nobody."""
    if record.of_alarms:
        return ALARMS.decode(record.record).alarms
    return UPDATES.decode(record.record).updates
