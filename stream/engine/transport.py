"""What the worker needs around it: records, a way to send and to remember, and what the database knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from runtime.telemetry.tracing import RecordHeaders
from stream.engine.stage_seed import StageSeed

Confirmation = Awaitable[Any]


class InputRecord(Protocol):
    """An observation record, as the transport hands it over."""

    partition: int
    offset: int
    value: bytes

    @property
    def headers(self) -> RecordHeaders:
        """Return the headers that the record was sent with."""
        ...

    def acknowledge(self) -> None:
        """Tell the transport that the record need not come again."""
        ...


class LogTransport(Protocol):
    """What the worker needs of Kafka, Faust's way."""

    def owns(self, topic: str, partition: int) -> bool:
        """Whether the partition is assigned to this process now."""
        ...

    async def send(
        self, topic: str, partition: int, value: bytes, headers: RecordHeaders = ()
    ) -> Confirmation:
        """Send a record; return what to await for its confirmation."""
        ...

    def write_checkpoint(self, partition: int, key: bytes, value: bytes) -> Confirmation:
        """Write a table entry; return what to await for its confirmation."""
        ...

    def read_checkpoint(self, key: bytes) -> bytes | None:
        """Return a table entry as it was recovered."""
        ...

    async def seek_back(self, topic: str, partition: int, offset: int) -> bool:
        """Read a partition again from an offset; return False when the log no longer reaches back."""
        ...


ReadSeed = Callable[[], Awaitable[StageSeed]]
"""Asks the database what it knows, for as long as it takes."""
