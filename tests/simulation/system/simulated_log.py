"""The log in memory: topics with partitions and offsets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


class SimulatedLog:
    """A log with an identity; after a loss, a new log has another identity."""

    def __init__(self, number: int, partition_count: int) -> None:
        self.identity = f"log-{number}"
        self.partition_count = partition_count
        self._records: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)

    def append(
        self, topic: str, partition: int, value: bytes, _headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Write a record; headers are ignored."""
        self._records[topic, partition].append(value)

    def end(self, topic: str, partition: int) -> int:
        """Return the offset behind the last record."""
        return len(self._records[topic, partition])

    def read(self, topic: str, partition: int, offset: int) -> bytes:
        """Return the record at an offset."""
        return self._records[topic, partition][offset]

    def partitions(self) -> list[tuple[str, int]]:
        """Return every topic and partition that has records."""
        return sorted(self._records)
