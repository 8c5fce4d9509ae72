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
from storage.database import UNAVAILABLE, Connection, connect
from storage.queries import query
from storage.stores.log_positions import Positions

log = logging.getLogger(__name__)

LOOK_S = 1.0
RETRY_S = 1.0

# One that hangs has a session still, and its partitions. After so long the database ends it.
SILENT_S_MAX = 15


class Share(NamedTuple):
    """The part of one historian."""

    number: int  #: from 0
    of: int  #: how many there are

    def has(self, partition: int) -> bool:
        """Whether the partition, of whatever topic, is in it.

        >>> [one for one in range(8) if Share(1, 3).has(one)]
        [1, 4, 7]
        """
        return partition % self.of == self.number

    def part(self, positions: Positions) -> Positions:
        """Return those of the positions that are in it."""
        return {place: offset for place, offset in positions.items() if self.has(place[1])}


WHOLE = Share(0, 1)
"""The share of one that is alone."""


class Shares:
    """Takes part in the division. `run` by one task; read by others."""

    def __init__(self, dsn: str, city: str) -> None:
        self._dsn = dsn
        self._city = city
        self._present: Share | None = None
        self._known = asyncio.Event()

    async def present(self) -> Share:
        """Return the share as it is now; wait for the first one as long as it takes."""
        await self._known.wait()
        assert self._present is not None  # noqa: S101 - it is known
        return self._present

    async def run(self) -> None:
        """Look each second who takes part, until cancelled; while the database is away nothing changes."""
        while True:
            try:
                async with await connect(self._dsn, role="historian-share") as connection:
                    await self._join(connection)
                    while True:
                        self._learn(await self._look(connection))
                        await asyncio.sleep(LOOK_S)
            except UNAVAILABLE as error:
                raise_if_cancelled()
                log.debug("who stores what is not known now: %s", error)
            await asyncio.sleep(RETRY_S)

    async def _join(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(query("historian/register_historian"), (f"{SILENT_S_MAX}s", self._city))

    async def _look(self, connection: Connection) -> Share:
        async with connection.transaction():
            row = await (
                await connection.execute(query("historian/count_historians"), (self._city,))
            ).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has a row
        return Share(*row)

    def _learn(self, share: Share) -> None:
        if share != self._present:
            log.info("stores as number %d of %d historians", share.number + 1, share.of)
        self._present = share
        self._known.set()
