"""The topics of the embedded broker and their partitions."""

from __future__ import annotations

from collections.abc import Iterator

from cli.embedded.broker.partition_log import CompactedLog, PartitionLog

PARTITIONS_MAX = 1_024
TOPICS_MAX = 1_024


class BrokerTopics:
    """All topics by name. Topics must be created; a request for an unknown topic does not create it."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[PartitionLog]] = {}

    def create(self, name: str, partitions: int, *, compacted: bool = False) -> bool:
        """Create a topic; return False if it exists. Raises ValueError for too many topics or partitions."""
        if name in self._by_name:
            return False
        if not 1 <= partitions <= PARTITIONS_MAX or len(self._by_name) >= TOPICS_MAX:
            raise ValueError(
                f"topic {name} with {partitions} partitions: expected 1 to {PARTITIONS_MAX} partitions, and "
                f"at most {TOPICS_MAX} topics"
            )
        kind = CompactedLog if compacted else PartitionLog
        self._by_name[name] = [kind() for _ in range(partitions)]
        return True

    def delete(self, name: str) -> bool:
        """Delete a topic and its records; return False if it does not exist."""
        return self._by_name.pop(name, None) is not None

    def names(self) -> Iterator[str]:
        """Yield the names of all topics in alphabetical order."""
        yield from sorted(self._by_name)

    def partitions(self, name: str) -> list[PartitionLog]:
        """Return the partitions of a topic; an empty list for an unknown topic."""
        return self._by_name.get(name, [])

    def find(self, name: str, partition: int) -> PartitionLog | None:
        """Return a partition, or None if it does not exist."""
        partitions = self.partitions(name)
        return partitions[partition] if 0 <= partition < len(partitions) else None
