"""A partition of which only the newest record of each key is wanted, as Kafka's compaction keeps it."""

from __future__ import annotations

from bisect import bisect_left

from aiokafka.record.memory_records import MemoryRecords

from cli.embedded.broker.partition_log import PartitionLog


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
