"""A cache of the ledger's balance: whether every message ever received is accounted for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from api.database import Database
from storage.stores.ledger import (
    IngestSession,
    LedgerBalance,
    SessionInterruption,
    read_balance,
    read_interruptions,
    read_sessions,
)

# The balance counts a table: a second for some ten million rows. Requests in between get the cached one.
CACHE_S = 10.0

SESSIONS_MAX = 20
INTERRUPTIONS_MAX = 20


class CachedLedger(NamedTuple):
    """The balance of everything, the newest runs of ingest, and the newest interruptions of its session."""

    balance: LedgerBalance
    sessions: list[IngestSession]
    interruptions: list[SessionInterruption]


class LedgerCache:
    """The last balance, read again by a request once it is older than `CACHE_S`."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._reading = asyncio.Lock()
        self._ledger: CachedLedger | None = None
        self._since_s = 0.0

    async def read(self) -> CachedLedger:
        """Return the ledger, at most `CACHE_S` old; raise a problem (503) without a database."""
        async with self._reading:
            if self._ledger is None or self._monotonic() - self._since_s >= CACHE_S:
                async with self._database.connection() as connection:
                    # A session may continue between the queries: each result is right by itself.
                    self._ledger = CachedLedger(
                        await read_balance(connection),
                        await read_sessions(connection, SESSIONS_MAX),
                        await read_interruptions(connection, INTERRUPTIONS_MAX),
                    )
                self._since_s = self._monotonic()
            return self._ledger
