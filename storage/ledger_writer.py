"""Writes the ledger: which messages were received, and what became of everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from storage.database import Connection
from storage.ledger_counts import LedgerCounts
from storage.queries import query
from storage.reception import ReceivedMessage, Reception
from storage.text_column import storable
from twin.instant import to_datetime


async def count_messages(connection: Connection, reception: Reception, counts: LedgerCounts) -> None:
    """Count each message once, by its number in its session, and remember the numbers.

    A publisher that does not know whether a record was written writes it again; the messages in it were
    received once.
    """
    for session, messages in reception.messages.items():
        if not messages:
            continue
        runs = _runs(messages)
        starts, stops = [start for start, _ in runs], [stop for _, stop in runs]
        name = storable(session)
        cursor = await connection.execute(query("list_known_sequences"), (name, starts, stops))
        known: set[int] = set()
        for start, stop in await cursor.fetchall():
            known.update(range(start, stop))
        _count(messages, known, reception, counts)
        minutes = [reception.sources[one.source].minute for one in messages.values()]
        first, last = to_datetime(min(minutes)), to_datetime(max(minutes))
        await connection.execute(query("add_sequences"), (name, first, last, starts, stops))


async def add_to_ledger(connection: Connection, counts: LedgerCounts) -> None:
    """Add counts to the ledger in the transaction that is open."""
    rows = [
        (storable(source.feed), to_datetime(source.minute), *row.values) for source, row in counts.items()
    ]
    await connection.execute(query("add_to_ledger"), [list(column) for column in zip(*rows, strict=True)])


def _count(
    messages: Mapping[int, ReceivedMessage], known: set[int], reception: Reception, counts: LedgerCounts
) -> None:
    accepted = [0] * len(reception.sources)
    quarantined = [0] * len(reception.sources)
    for sequence, message in messages.items():
        if sequence in known:
            continue
        if message.accepted:
            accepted[message.source] += 1
        else:
            quarantined[message.source] += 1
    for number, source in enumerate(reception.sources):
        if accepted[number] or quarantined[number]:
            row = counts[source]
            row.received += accepted[number] + quarantined[number]
            row.accepted += accepted[number]
            row.quarantined += quarantined[number]


def _runs(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Return numbers as half-open runs.

    >>> _runs({3, 1, 2, 7})
    [(1, 4), (7, 8)]
    """
    runs: list[tuple[int, int]] = []
    for one in sorted(sequences):
        if runs and runs[-1][1] == one:
            runs[-1] = runs[-1][0], one + 1
        else:
            runs.append((one, one + 1))
    return runs
