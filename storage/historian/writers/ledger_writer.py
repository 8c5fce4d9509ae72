"""Writes the ledger: which messages were received, and what became of everything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from storage.column_limits import without_nul
from storage.database import Connection
from storage.historian.observation_buffer import DistinctMessages, ObservationBuffer
from storage.queries import query
from storage.stores.ledger_counts import LedgerCounts
from twin.instant import to_datetime


async def count_messages(connection: Connection, reception: ObservationBuffer, counts: LedgerCounts) -> None:
    """Count each message once, by its number in its session, and remember the numbers.

    A publisher that does not know whether a record was written writes it again; the messages in it were
    received once. Sessions come in order, so that two writers do not deadlock.
    """
    for session in sorted(reception.messages):
        messages = reception.messages[session].distinct()
        starts, stops = _runs(messages.sequences)
        name = without_nul(session)
        cursor = await connection.execute(
            query("historian/ledger/list_counted_sequences"), (name, starts, stops)
        )
        _count_new(messages, await cursor.fetchall(), reception, counts)
        minutes = [reception.feed_minutes[one].minute for one in np.unique(messages.sources)]
        first, last = to_datetime(min(minutes)), to_datetime(max(minutes))
        await connection.execute(query("historian/ledger/add_sequences"), (name, first, last, starts, stops))


async def add_to_ledger(connection: Connection, counts: LedgerCounts) -> None:
    """Add counts to the ledger in the transaction that is open."""
    rows = [
        (without_nul(source.feed), to_datetime(source.minute), *row.values) for source, row in counts.items()
    ]
    await connection.execute(
        query("historian/ledger/add_to_ledger"), [list(column) for column in zip(*rows, strict=True)]
    )


def _count_new(
    messages: DistinctMessages,
    known: Iterable[tuple[int, int]],
    reception: ObservationBuffer,
    counts: LedgerCounts,
) -> None:
    """Count messages; `known` are runs of numbers that were counted before."""
    fresh = np.ones(len(messages.sequences), np.bool_)
    for start, stop in known:
        first, last = np.searchsorted(messages.sequences, (start, stop))
        fresh[first:last] = False
    size = len(reception.feed_minutes)
    accepted = np.bincount(messages.sources[fresh & messages.accepted], minlength=size).tolist()
    quarantined = np.bincount(messages.sources[fresh & ~messages.accepted], minlength=size).tolist()
    for number, source in enumerate(reception.feed_minutes):
        if accepted[number] or quarantined[number]:
            row = counts[source]
            row.received += accepted[number] + quarantined[number]
            row.accepted += accepted[number]
            row.quarantined += quarantined[number]


def _runs(sequences: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return rising numbers as half-open runs: where they start, and where they stop.

    >>> _runs(np.array([1, 2, 3, 7]))
    ([1, 7], [4, 8])
    """
    breaks = np.flatnonzero(np.diff(sequences) != 1) + 1
    starts = sequences[np.concatenate(([0], breaks))]
    stops = sequences[np.concatenate((breaks - 1, [-1]))] + 1
    return starts.tolist(), stops.tolist()
