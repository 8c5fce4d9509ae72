"""Writes the ledger: the numbers of received messages, and the counts of outcomes."""

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


async def count_messages(
    connection: Connection, observations: ObservationBuffer, counts: LedgerCounts
) -> None:
    """Count each message once, by its sequence number in its session, and store the numbers.

    A publisher writes a record again when the confirmation is missing, but its messages were received once.
    Sessions are locked in order, so that two writers do not deadlock.
    """
    for session in sorted(observations.messages):
        messages = observations.messages[session].distinct()
        starts, ends = _runs(messages.sequences)
        name = without_nul(session)
        cursor = await connection.execute(
            query("historian/ledger/list_counted_sequences"), (name, starts, ends)
        )
        _count_new(messages, await cursor.fetchall(), observations, counts)
        minutes = [observations.feed_minutes[one].minute for one in np.unique(messages.feed_minutes)]
        first, last = to_datetime(min(minutes)), to_datetime(max(minutes))
        await connection.execute(query("historian/ledger/add_sequences"), (name, first, last, starts, ends))


async def add_to_ledger(connection: Connection, counts: LedgerCounts) -> None:
    """Add counts to the ledger in the open transaction."""
    rows = [
        (without_nul(feed_minute.feed), to_datetime(feed_minute.minute), *row.values)
        for feed_minute, row in counts.items()
    ]
    await connection.execute(
        query("historian/ledger/add_to_ledger"), [list(column) for column in zip(*rows, strict=True)]
    )


def _count_new(
    messages: DistinctMessages,
    known: Iterable[tuple[int, int]],
    observations: ObservationBuffer,
    counts: LedgerCounts,
) -> None:
    """Count messages, except those in `known`: half-open runs of numbers that were counted before."""
    is_new = np.ones(len(messages.sequences), np.bool_)
    for start, end in known:
        first, last = np.searchsorted(messages.sequences, (start, end))
        is_new[first:last] = False
    size = len(observations.feed_minutes)
    accepted = np.bincount(messages.feed_minutes[is_new & messages.accepted], minlength=size).tolist()
    quarantined = np.bincount(messages.feed_minutes[is_new & ~messages.accepted], minlength=size).tolist()
    for number, feed_minute in enumerate(observations.feed_minutes):
        if accepted[number] or quarantined[number]:
            row = counts[feed_minute]
            row.received += accepted[number] + quarantined[number]
            row.accepted += accepted[number]
            row.quarantined += quarantined[number]


def _runs(sequences: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return ascending numbers as half-open runs: their starts and their ends.

    >>> _runs(np.array([1, 2, 3, 7]))
    ([1, 7], [4, 8])
    """
    breaks = np.flatnonzero(np.diff(sequences) != 1) + 1
    starts = sequences[np.concatenate(([0], breaks))]
    ends = sequences[np.concatenate((breaks - 1, [-1]))] + 1
    return starts.tolist(), ends.tolist()
