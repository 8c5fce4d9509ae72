"""The changelog topic of a stage's checkpoints, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from stream.engine.buckets import CheckpointEntry
from stream.engine.stage import StageFactory, StreamStage

K = TypeVar("K")


class CheckpointTopic:
    """The newest version of each checkpoint entry of one partition."""

    def __init__(self) -> None:
        self.buckets: dict[int, bytes] = {}
        self.position: bytes | None = None

    def write(self, entries: Iterable[CheckpointEntry]) -> CheckpointTopic:
        """Write a checkpoint, or some entries of one."""
        for entry in entries:
            if entry.bucket is None:
                self.position = entry.value
            else:
                self.buckets[entry.bucket] = entry.value
        return self

    def copy(self) -> CheckpointTopic:
        """Return an independent copy."""
        found = CheckpointTopic()
        found.buckets, found.position = dict(self.buckets), self.position
        return found

    def restore_stage(self, kind: StageFactory[K], partition: int = 0) -> StreamStage[K] | None:
        """Return the stage that a worker restores from this topic; None where it has no checkpoint."""
        return kind.restored(partition, self.position, self.buckets.get)
