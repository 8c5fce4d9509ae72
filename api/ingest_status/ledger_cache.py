"""The books: whether everything that was ever received is accounted for, asked now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from api.database import Database
from storage.stores.ledger import IngestSession, LedgerBalance, read_balance, read_sessions

# It counts a table: a second for some ten million rows. Whoever asks more often gets the same answer.
CACHE_S = 10.0

SESSIONS_MAX = 20


class LedgerCache:
    """The last balance, made anew when it is asked for and no longer fresh."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._seconds = monotonic
        self._looking = asyncio.Lock()
        self._known: tuple[LedgerBalance, list[IngestSession]] | None = None
        self._since_s = 0.0

    async def balance(self) -> tuple[LedgerBalance, list[IngestSession]]:
        """Return the balance and the newest runs of ingest; raise a problem when the database is away."""
        async with self._looking:
            if self._known is None or self._seconds() - self._since_s >= CACHE_S:
                async with self._database.connection() as connection:
                    # Between the two a run may go on: each is right by itself.
                    self._known = (
                        await read_balance(connection),
                        await read_sessions(connection, SESSIONS_MAX),
                    )
                self._since_s = self._seconds()
            return self._known
