"""Reads the ledger: the results of received messages and observations, and whether it balances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from storage.database import Connection, snapshot
from storage.queries import query
from storage.stores.ledger_counts import OutcomeCounts
from twin.instant import Instant, from_datetime, to_datetime

# A week of minutes of ten feeds; the API requests fewer at a time.
LEDGER_ROWS_MAX = 100_000
SESSIONS_MAX = 1_000
HOLES_MAX = 100
INTERRUPTIONS_MAX = 100

UNCONFIRMED_MAX = 10_000
"""How far below the last number of a session a number may be missing without being lost.

Ingest writes one batch at a time, of at most `LIVETWIN_BATCH_MESSAGES_MAX` messages, and acknowledges it when
all of it is on the log. A part of the batch that a killed process was writing may be missing: it was never
acknowledged, and the broker delivers it again to the next session.
"""


class LedgerRow(NamedTuple):
    """The results of what one feed received in one minute."""

    feed: str  #: empty when no feed knows the topic
    minute: Instant
    counts: OutcomeCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSession:
    """The messages of one run of ingest that are in the ledger."""

    session: str
    first_received: Instant  #: to the minute
    last_received: Instant  #: to the minute
    first_sequence: int  #: 0 when none is missing at the beginning
    last_sequence: int
    messages: int  #: number of distinct messages
    lost: int  #: missing messages that cannot belong to the last batch of the session
    holes: tuple[tuple[int, int], ...]  #: half-open runs of missing numbers, at most `HOLES_MAX`

    @property
    def missing(self) -> int:
        """The number of messages missing up to the last one."""
        return self.last_sequence + 1 - self.messages


class SessionInterruption(NamedTuple):
    """Interruptions of the session at the MQTT broker, after which messages may be missing uncounted."""

    reason: str  #: `session-taken-over` or `session-lost`
    time: Instant  #: of the last of them
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBalance:
    """Both sides of each equation, over everything that was ever received, at one moment."""

    counts: OutcomeCounts
    stored: int  #: rows of the table of observations
    removed: int  #: rows that retention removed
    missing: int  #: missing messages of all sessions
    lost: int  #: those of them that were acknowledged

    @property
    def balances(self) -> bool:
        """Whether every message and every observation is accounted for."""
        return self.counts.balances and self.counts.new == self.stored + self.removed and self.lost == 0


async def read_ledger(
    connection: Connection,
    start: Instant,
    end: Instant,
    feed: str | None = None,
    limit: int = LEDGER_ROWS_MAX,
) -> list[LedgerRow]:
    """Return the rows with start ≤ minute < end, oldest first, at most `limit` (≤ `LEDGER_ROWS_MAX`)."""
    cursor = await connection.execute(
        query("stores/ledger/list_ledger"),
        {
            "start": to_datetime(start),
            "end": to_datetime(end),
            "feed": feed,
            "limit": max(0, min(limit, LEDGER_ROWS_MAX)),
        },
    )
    return [
        LedgerRow(name, from_datetime(minute), OutcomeCounts(*counts))
        for name, minute, *counts in await cursor.fetchall()
    ]


async def read_sessions(connection: Connection, limit: int = SESSIONS_MAX) -> list[IngestSession]:
    """Return at most `limit` (≤ `SESSIONS_MAX`) runs of ingest, the most recently active first."""
    parameters = {
        "limit": max(0, min(limit, SESSIONS_MAX)),
        "holes": HOLES_MAX,
        "unconfirmed": UNCONFIRMED_MAX,
    }
    cursor = await connection.execute(query("stores/ledger/list_sessions"), parameters)
    return [
        IngestSession(
            session=name,
            first_received=from_datetime(begin),
            last_received=from_datetime(end),
            first_sequence=first,
            last_sequence=last,
            messages=counted,
            lost=lost,
            holes=tuple(zip(starts, ends, strict=True)),
        )
        for name, begin, end, first, last, counted, lost, starts, ends in await cursor.fetchall()
    ]


async def read_interruptions(
    connection: Connection, limit: int = INTERRUPTIONS_MAX
) -> list[SessionInterruption]:
    """Return at most `limit` (≤ `INTERRUPTIONS_MAX`) interruptions, newest first; quarantine keeps them."""
    cursor = await connection.execute(
        query("stores/ledger/list_interruptions"), (max(0, min(limit, INTERRUPTIONS_MAX)),)
    )
    return [
        SessionInterruption(reason, from_datetime(time), detail)
        for reason, time, detail in await cursor.fetchall()
    ]


async def read_balance(connection: Connection) -> LedgerBalance:
    """Return both sides of each equation; no transaction may be open on the connection.

    It counts the rows of observations, which takes a second for about ten million.
    """
    async with snapshot(connection):
        row = await (await connection.execute(query("stores/ledger/sum_ledger"))).fetchone()
        cursor = await connection.execute(
            query("stores/ledger/sum_sessions"), {"unconfirmed": UNCONFIRMED_MAX}
        )
        holes = await cursor.fetchone()
    assert row is not None and holes is not None  # noqa: S101, PT018 - aggregates without GROUP BY
    *counts, stored, removed = row
    return LedgerBalance(
        counts=OutcomeCounts(*counts),
        stored=stored,
        removed=removed or 0,
        missing=holes[0],
        lost=holes[1],
    )
