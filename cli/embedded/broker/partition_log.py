"""The log of one partition: batches of records as producers sent them, with or without compaction."""

from __future__ import annotations

import asyncio
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from aiokafka.record.memory_records import MemoryRecords

from twin.errors import TwinError

# A record batch of version 2 (Kafka protocol guide, "Record Batch"): offset of the first record, length of
# all further fields, leader epoch, version; then checksum, attributes, offset delta of the last record, and
# the timestamps of the first and the newest record. The checksum covers the fields after it.
_HEADER = struct.Struct(">qiib")
_SPAN = struct.Struct(">iqq")
_FIRST_OFFSET = struct.Struct(">q")
_LENGTH_BEGINS = 12
_SPAN_AT = 23
_HEADER_BYTES = 61
_VERSION = 2


class RecordBatchError(TwinError):
    """The data of a producer is not a record batch of version 2."""


class PartitionLog:
    """Record batches in order of their offsets, which may have gaps. Only `trim` drops batches."""

    def __init__(self) -> None:
        self.start = 0  #: the first offset that is still stored
        self.end = 0  #: the offset after the last record
        self.bytes = 0
        self._batches: list[bytes] = []
        self._ends: list[int] = []  # the offset after the last record of each batch
        self._newest: list[int] = []  # the timestamp of the newest record of each batch, ms
        self._waiters: set[asyncio.Event] = set()

    def append(self, data: bytes) -> int:
        """Append one or several batches; return the offset of the first record.

        Raises RecordBatchError, and appends nothing, if one of them is malformed.
        """
        first = self.end
        for batch in list(_batches(data)):
            delta, _, newest = _SPAN.unpack_from(batch, _SPAN_AT)
            self._batches.append(_FIRST_OFFSET.pack(self.end) + batch[_FIRST_OFFSET.size :])
            self.end += delta + 1
            self._ends.append(self.end)
            self._newest.append(newest)
            self.bytes += len(batch)
        for event in self._waiters:
            event.set()
        return first

    def read(self, offset: int, bytes_max: int) -> bytes:
        """Return whole batches, from the one with this offset; at least one batch, if there is one."""
        first = bisect_right(self._ends, offset)
        batches: list[bytes] = []
        size = 0
        for batch in self._batches[first:]:
            if batches and size + len(batch) > bytes_max:
                break
            batches.append(batch)
            size += len(batch)
            if size >= bytes_max:
                break
        return b"".join(batches)

    def offset_at(self, time_ms: int) -> int | None:
        """Return the offset of the first batch with a record of that time or later, or None."""
        for end, batch, newest in zip(self._ends, self._batches, self._newest, strict=True):
            if newest >= time_ms:
                delta: int = _SPAN.unpack_from(batch, _SPAN_AT)[0]
                return end - delta - 1
        return None

    def trim(self, offset: int) -> None:
        """Drop all batches that end before an offset."""
        count = bisect_right(self._ends, offset)
        self.bytes -= sum(map(len, self._batches[:count]))
        del self._batches[:count], self._ends[:count], self._newest[:count]
        self.start = max(self.start, min(offset, self.end))

    def _drop(self, index: int) -> None:
        self.bytes -= len(self._batches[index])
        del self._batches[index], self._ends[index], self._newest[index]

    def add_waiter(self, event: asyncio.Event) -> None:
        """Set an event at each append."""
        self._waiters.add(event)

    def remove_waiter(self, event: asyncio.Event) -> None:
        """Stop setting an event."""
        self._waiters.discard(event)


class CompactedLog(PartitionLog):
    """A log with compaction: drops a batch once newer batches hold all its keys. Offsets do not change.

    Apache Kafka drops single records, and later; readers work the same with both.
    """

    def __init__(self) -> None:
        super().__init__()
        self._newest_batches: dict[bytes | None, int] = {}  # key → end of the batch with its newest record
        self._key_counts: dict[int, int] = {}  # end of a batch → number of keys whose newest record is in it

    def append(self, data: bytes) -> int:
        """Append batches, and drop the batches that they supersede."""
        first = super().append(data)
        added = bisect_left(self._ends, first + 1)
        for end, batch in list(zip(self._ends[added:], self._batches[added:], strict=True)):
            self._supersede(end, batch)
        return first

    def trim(self, offset: int) -> None:
        """Drop all batches that end before an offset."""
        super().trim(offset)
        self._key_counts = {end: count for end, count in self._key_counts.items() if end > offset}
        self._newest_batches = {
            key: end for key, end in self._newest_batches.items() if end in self._key_counts
        }

    def _supersede(self, end: int, batch: bytes) -> None:
        keys = {record.key for record in MemoryRecords(batch).next_batch()}
        self._key_counts[end] = len(keys)
        for key in keys:
            previous = self._newest_batches.get(key)
            self._newest_batches[key] = end
            if previous is not None:
                self._key_counts[previous] -= 1
                if not self._key_counts[previous]:
                    del self._key_counts[previous]
                    self._drop(bisect_left(self._ends, previous))


def _batches(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        if len(data) - start < _HEADER_BYTES:
            raise RecordBatchError(
                f"a record batch has {len(data) - start} bytes, expected at least {_HEADER_BYTES}"
            )
        _, length, _, version = _HEADER.unpack_from(data, start)
        end = start + _LENGTH_BEGINS + length
        if version != _VERSION or length < _HEADER_BYTES - _LENGTH_BEGINS or end > len(data):
            raise RecordBatchError(
                f"a record batch has version {version} and {length} bytes, expected version {_VERSION} and "
                f"at most the {len(data) - start} bytes received"
            )
        yield data[start:end]
        start = end
