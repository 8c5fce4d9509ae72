"""Which part of the log this historian stores: its partitions are divided among those that are connected.

A session of the database holds a lock, shared with all, as long as the process lives; whoever looks at the
locks sees who takes part. So nothing is configured, and what a killed one had is another's within a second.
Two may differ about it for a moment. That costs work and nothing else: the archive stores each record once.
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

# One that hangs has a session still, and its partitions. After so long the database ends it.
SESSION_IDLE_S_MAX = 15


class PartitionAssignment(NamedTuple):
    """The part of one historian."""

    number: int  #: from 0
    total: int  #: how many there are

    def includes(self, partition: int) -> bool:
        """Whether the partition, of whatever topic, is in it.

        >>> [one for one in range(8) if PartitionAssignment(1, 3).includes(one)]
        [1, 4, 7]
        """
        return partition % self.total == self.number

    def filter_positions(self, positions: LogPositions) -> LogPositions:
        """Return those of the positions that are in it."""
        return {place: offset for place, offset in positions.items() if self.includes(place[1])}


ALL_PARTITIONS = PartitionAssignment(0, 1)
"""The share of one that is alone."""


class AssignmentTracker:
    """Takes part in the division. `run` by one task; read by others."""

    def __init__(self, dsn: str, city: str) -> None:
        self._dsn = dsn
        self._city = city
        self._current: PartitionAssignment | None = None
        self._known = asyncio.Event()

    async def current(self) -> PartitionAssignment:
        """Return the share as it is now; wait for the first one as long as it takes."""
        await self._known.wait()
        assert self._current is not None  # noqa: S101 - it is known
        return self._current

    async def run(self) -> None:
        """Look each second who takes part, until cancelled; while the database is away nothing changes."""
        while True:
            try:
                async with await connect(self._dsn, role="historian-share") as connection:
                    await self._register(connection)
                    while True:
                        self._set_assignment(await self._read_assignment(connection))
                        await asyncio.sleep(ASSIGNMENT_POLL_S)
            except DATABASE_UNAVAILABLE as error:
                raise_if_cancelled()
                log.debug("who stores what is not known now: %s", error)
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

    def _set_assignment(self, share: PartitionAssignment) -> None:
        if share != self._current:
            log.info("stores as number %d of %d historians", share.number + 1, share.total)
        self._current = share
        self._known.set()
