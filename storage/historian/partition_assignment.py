"""Divides the partitions of the log among the historians that are connected to the database.

Each historian holds a shared advisory lock in a database session while its process lives; the locks show
which historians take part. So nothing is configured, and another historian takes over the partitions of a
killed one within a second. Two historians may disagree for a moment. That costs only work: each record is
stored once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from runtime.cancellation import raise_if_cancelled
from storage.database import DATABASE_UNAVAILABLE, Connection, connect
from storage.queries import query
from storage.stores.log_positions import LogPositions

log = logging.getLogger(__name__)

ASSIGNMENT_POLL_S = 1.0
RETRY_S = 1.0

# A historian that hangs keeps its session and its partitions. After this time the database ends the session.
SESSION_IDLE_S_MAX = 15


class PartitionAssignment(NamedTuple):
    """Which of several historians this one is, and so which partitions it stores."""

    number: int  #: from 0
    total: int  #: number of historians

    def includes(self, partition: int) -> bool:
        """Return whether this historian stores a partition, of any topic.

        >>> [number for number in range(8) if PartitionAssignment(1, 3).includes(number)]
        [1, 4, 7]
        """
        return partition % self.total == self.number

    def filter_positions(self, positions: LogPositions) -> LogPositions:
        """Return the positions of the partitions that this historian stores."""
        return {
            (topic, partition): offset
            for (topic, partition), offset in positions.items()
            if self.includes(partition)
        }


ALL_PARTITIONS = PartitionAssignment(0, 1)
"""The assignment of a historian that is alone."""


class AssignmentTracker:
    """Registers this historian and follows its assignment. One task runs `run`, others read `current`."""

    def __init__(self, dsn: str, city: str) -> None:
        self._dsn = dsn
        self._city = city
        self._current: PartitionAssignment | None = None
        self._known = asyncio.Event()

    async def current(self) -> PartitionAssignment:
        """Return the present assignment; wait without limit until the first one is known."""
        await self._known.wait()
        assert self._current is not None  # noqa: S101 - set before the event
        return self._current

    async def run(self) -> None:
        """Read the assignment every second until cancelled; keep it while the database is unavailable."""
        while True:
            try:
                async with await connect(self._dsn, role="historian-share") as connection:
                    await self._register(connection)
                    while True:
                        self._set_assignment(await self._read_assignment(connection))
                        await asyncio.sleep(ASSIGNMENT_POLL_S)
            except DATABASE_UNAVAILABLE as error:
                raise_if_cancelled()
                log.debug(
                    "the assignment of partitions cannot be read: %s",
                    error,
                    extra={"event": "historian.assignment_unknown"},
                )
            await asyncio.sleep(RETRY_S)

    async def _register(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(
                query("historian/register_historian"), (f"{SESSION_IDLE_S_MAX}s", self._city)
            )

    async def _read_assignment(self, connection: Connection) -> PartitionAssignment:
        async with connection.transaction():
            row = await (
                await connection.execute(query("historian/count_historians"), (self._city,))
            ).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has a row
        return PartitionAssignment(*row)

    def _set_assignment(self, assignment: PartitionAssignment) -> None:
        if assignment != self._current:
            log.info(
                "stores the partitions of historian %d of %d",
                assignment.number + 1,
                assignment.total,
                extra={
                    "event": "historian.assigned",
                    "number": assignment.number,
                    "historians": assignment.total,
                },
            )
        self._current = assignment
        self._known.set()
