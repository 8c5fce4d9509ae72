"""What the worker needs from outside: input records, the log with its checkpoint table, and the seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from runtime.telemetry.tracing import RecordHeaders
from stream.engine.stage_seed import StageSeed

Confirmation = Awaitable[Any]
"""Completes when Kafka has confirmed a record."""


class InputRecord(Protocol):
    """A record of an input topic, as the transport delivers it."""

    partition: int
    offset: int
    value: bytes

    @property
    def headers(self) -> RecordHeaders:
        """Return the headers of the record."""
        ...

    def acknowledge(self) -> None:
        """Let the transport commit this record's offset."""
        ...


class LogTransport(Protocol):
    """The operations on Kafka that the worker needs."""

    def owns(self, topic: str, partition: int) -> bool:
        """Whether the partition is assigned to this process now."""
        ...

    async def send(
        self, topic: str, partition: int, value: bytes, headers: RecordHeaders = ()
    ) -> Confirmation:
        """Send a record, and return its confirmation."""
        ...

    def write_checkpoint(self, partition: int, key: bytes, value: bytes) -> Confirmation:
        """Write an entry of the checkpoint table, and return its confirmation."""
        ...

    def is_recovered(self) -> bool:
        """Whether the checkpoint table is complete for the partitions that are assigned now."""
        ...

    def read_checkpoint(self, key: bytes) -> bytes | None:
        """Return an entry of the checkpoint table as it was recovered."""
        ...

    async def seek_back(self, topic: str, partition: int, offset: int) -> bool:
        """Read a partition again from an offset; return False when the log begins later."""
        ...


ReadSeed = Callable[[], Awaitable[StageSeed]]
"""Reads the seed from the database, and waits for the database if necessary."""
