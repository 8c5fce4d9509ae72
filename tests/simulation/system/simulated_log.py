"""The log in memory: topics with partitions, whose records have offsets. It can be lost as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


class SimulatedLog:
    """One log. A new one has another identity."""

    def __init__(self, number: int) -> None:
        self.identity = f"log-{number}"
        self._records: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)

    def append(
        self, topic: str, partition: int, value: bytes, _headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Write a record; nothing here reads its headers."""
        self._records[topic, partition].append(value)

    def end(self, topic: str, partition: int) -> int:
        """Return the offset behind the last record."""
        return len(self._records[topic, partition])

    def read(self, topic: str, partition: int, offset: int) -> bytes:
        """Return the record at an offset."""
        return self._records[topic, partition][offset]

    def partitions(self) -> list[tuple[str, int]]:
        """Return every topic and partition that something was written to."""
        return sorted(self._records)
