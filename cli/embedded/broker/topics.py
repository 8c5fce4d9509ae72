"""The topics of the embedded broker and their partitions."""

from __future__ import annotations

from collections.abc import Iterator

from cli.embedded.broker.partition_log import CompactedLog, PartitionLog

PARTITIONS_MAX = 1_024
TOPICS_MAX = 1_024


class BrokerTopics:
    """Every topic by name. One that nobody made is not there: nothing is made on the side."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[PartitionLog]] = {}

    def create(self, name: str, partitions: int, *, compacted: bool = False) -> bool:
        """Make a topic; return False when it is there already. Raises ValueError beyond the bounds."""
        if name in self._by_name:
            return False
        if not 1 <= partitions <= PARTITIONS_MAX or len(self._by_name) >= TOPICS_MAX:
            raise ValueError(
                f"topic {name} with {partitions} partitions: 1 to {PARTITIONS_MAX} are possible, and "
                f"{TOPICS_MAX} topics"
            )
        kind = CompactedLog if compacted else PartitionLog
        self._by_name[name] = [kind() for _ in range(partitions)]
        return True

    def delete(self, name: str) -> bool:
        """Drop a topic with all that it holds; return False when there is none."""
        return self._by_name.pop(name, None) is not None

    def names(self) -> Iterator[str]:
        """Yield the names of all topics, in order."""
        yield from sorted(self._by_name)

    def partitions(self, name: str) -> list[PartitionLog]:
        """Return the partitions of a topic; none of an unknown one."""
        return self._by_name.get(name, [])

    def find(self, name: str, partition: int) -> PartitionLog | None:
        """Return a partition, or None."""
        found = self.partitions(name)
        return found[partition] if 0 <= partition < len(found) else None
