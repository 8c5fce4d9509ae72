"""The log of one partition: batches of records, as producers sent them."""

from __future__ import annotations

import asyncio
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from aiokafka.record.memory_records import MemoryRecords

from twin.errors import TwinError

# A batch of records, version 2 (Kafka protocol guide, "Record Batch"): offset of the first record, length of
# what follows these two, leader epoch, version; behind a checksum and attributes the last record's offset
# from the first, and the times of the first record and of the newest. The checksum covers what follows it.
_HEADER = struct.Struct(">qiib")
_SPAN = struct.Struct(">iqq")
_FIRST_OFFSET = struct.Struct(">q")
_LENGTH_BEGINS = 12
_SPAN_AT = 23
_HEADER_BYTES = 61
_VERSION = 2


class RecordBatchError(TwinError):
    """What a producer sent is not a batch of records of version 2."""


class PartitionLog:
    """Batches of records by their offsets, which may have holes. Nothing is dropped but by `trim`."""

    def __init__(self) -> None:
        self.start = 0  #: the first offset that is still here
        self.end = 0  #: the offset after the last record
        self.bytes = 0
        self._batches: list[bytes] = []
        self._ends: list[int] = []  # the offset after the last record of each batch
        self._newest: list[int] = []  # and the time of its newest, ms
        self._waiting: set[asyncio.Event] = set()

    def append(self, data: bytes) -> int:
        """Take in one or several batches; return the offset of the first record.

        Raises RecordBatchError, and takes in nothing, when they are not what they should be.
        """
        first = self.end
        for batch in list(_batches(data)):
            delta, _, newest = _SPAN.unpack_from(batch, _SPAN_AT)
            self._batches.append(_FIRST_OFFSET.pack(self.end) + batch[_FIRST_OFFSET.size :])
            self.end += delta + 1
            self._ends.append(self.end)
            self._newest.append(newest)
            self.bytes += len(batch)
        for event in self._waiting:
            event.set()
        return first

    def read(self, offset: int, bytes_max: int) -> bytes:
        """Return whole batches from the one that holds an offset on; at least one, where there is one."""
        first = bisect_right(self._ends, offset)
        taken: list[bytes] = []
        size = 0
        for batch in self._batches[first:]:
            if taken and size + len(batch) > bytes_max:
                break
            taken.append(batch)
            size += len(batch)
            if size >= bytes_max:
                break
        return b"".join(taken)

    def offset_at(self, time_ms: int) -> int | None:
        """Return the offset of the first batch that holds a record of that time or later, or None."""
        for end, batch, newest in zip(self._ends, self._batches, self._newest, strict=True):
            if newest >= time_ms:
                delta: int = _SPAN.unpack_from(batch, _SPAN_AT)[0]
                return end - delta - 1
        return None

    def trim(self, offset: int) -> None:
        """Drop every batch whose records all lie before an offset."""
        count = bisect_right(self._ends, offset)
        self.bytes -= sum(map(len, self._batches[:count]))
        del self._batches[:count], self._ends[:count], self._newest[:count]
        self.start = max(self.start, min(offset, self.end))

    def _drop(self, place: int) -> None:
        self.bytes -= len(self._batches[place])
        del self._batches[place], self._ends[place], self._newest[place]

    def add_waiter(self, event: asyncio.Event) -> None:
        """Set an event at each append from now on."""
        self._waiting.add(event)

    def remove_waiter(self, event: asyncio.Event) -> None:
        """Set it no more."""
        self._waiting.discard(event)


def _batches(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        if len(data) - place < _HEADER_BYTES:
            raise RecordBatchError(f"a batch of records ends after {len(data) - place} bytes")
        _, length, _, version = _HEADER.unpack_from(data, place)
        end = place + _LENGTH_BEGINS + length
        if version != _VERSION or length < _HEADER_BYTES - _LENGTH_BEGINS or end > len(data):
            raise RecordBatchError(
                f"a batch of records of version {version} and {length} bytes: expected version {_VERSION}, "
                f"and no more than the {len(data) - place} bytes that came"
            )
        yield data[place:end]
        place = end


# A partition of which only the newest record of each key is wanted, as Kafka's compaction keeps it.


class CompactedLog(PartitionLog):
    """Drops a batch as soon as every key in it has come again. Offsets stay what they were, with holes.

    Apache Kafka drops records one by one, and later; a reader can tell neither from this.
    """

    def __init__(self) -> None:
        super().__init__()
        self._holders: dict[bytes | None, int] = {}  # key → end of the batch that holds its newest record
        self._newest_of: dict[int, int] = {}  # end of a batch → keys whose newest record it holds

    def append(self, data: bytes) -> int:
        """Take in batches, and drop those that they supersede."""
        first = super().append(data)
        added = bisect_left(self._ends, first + 1)
        for end, batch in list(zip(self._ends[added:], self._batches[added:], strict=True)):
            self._supersede(end, batch)
        return first

    def trim(self, offset: int) -> None:
        """Drop every batch whose records all lie before an offset."""
        super().trim(offset)
        self._newest_of = {end: count for end, count in self._newest_of.items() if end > offset}
        self._holders = {key: end for key, end in self._holders.items() if end in self._newest_of}

    def _supersede(self, end: int, batch: bytes) -> None:
        keys = {record.key for record in MemoryRecords(batch).next_batch()}
        self._newest_of[end] = len(keys)
        for key in keys:
            before = self._holders.get(key)
            self._holders[key] = end
            if before is not None:
                self._newest_of[before] -= 1
                if not self._newest_of[before]:
                    del self._newest_of[before]
                    self._drop(bisect_left(self._ends, before))
