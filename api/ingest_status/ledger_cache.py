"""A cache of the ledger's balance: whether every message ever received is accounted for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from api.database import Database
from storage.stores.ledger import IngestSession, LedgerBalance, read_balance, read_sessions

# The balance counts a table: a second for some ten million rows. Requests in between get the cached one.
CACHE_S = 10.0

SESSIONS_MAX = 20


class LedgerCache:
    """The last balance, read again by a request once it is older than `CACHE_S`."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._reading = asyncio.Lock()
        self._balance: tuple[LedgerBalance, list[IngestSession]] | None = None
        self._since_s = 0.0

    async def balance(self) -> tuple[LedgerBalance, list[IngestSession]]:
        """Return the balance and the newest ingest sessions; raise a problem (503) without a database."""
        async with self._reading:
            if self._balance is None or self._monotonic() - self._since_s >= CACHE_S:
                async with self._database.connection() as connection:
                    # A session may continue between the two queries: each result is right by itself.
                    self._balance = (
                        await read_balance(connection),
                        await read_sessions(connection, SESSIONS_MAX),
                    )
                self._since_s = self._monotonic()
            return self._balance
