"""Writes observations: by binary COPY into the hypertable, or by way of staging where they may conflict.

What is newer than all that is stored of its datastream cannot. Where a key is known, by the table or within
the batch, its observations take their turns in the order of the log, each against what is stored then. So
what became of each does not depend on where a transaction ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import psycopg

from storage.database import Connection
from storage.historian.observation_buffer import ObservationBuffer, RepeatedObservation
from storage.historian.observation_rows import ObservationRows, copy_data, datastreams_of, join_rows, times_of
from storage.historian.writers.newest_times import NewestTimes
from storage.queries import query
from storage.stores.ledger_counts import LedgerCounts
from twin.instant import Instant, from_datetime, to_datetime
from twin.model.observation import Observation
from twin.state.datastream_state import ObservationOutcome


class SupersededObservation(NamedTuple):
    """A version of an observation that gave way."""

    observation: Observation
    superseded_time: Instant  #: received time of the one that it gave way to


async def create_observation_staging(connection: Connection) -> None:
    """Create the staging table of a connection; it is empty at the start of each transaction."""
    await connection.execute(query("historian/observations/create_staged_observation"))


async def write_observations(
    connection: Connection, reception: ObservationBuffer, counts: LedgerCounts, newest: NewestTimes
) -> None:
    """Store observations in the transaction that is open, and count what became of each.

    The law is that of `twin.state.datastream_state`: of two with the same key the greater (received_time,
    value,
    flags) stays. A duplicate that was received later moves the stored `received_time` on. What gives way is
    kept as a version. Raises SerializationFailure when another writer stores the same keys at this moment.
    """
    conflicts = await _insert(connection, join_rows(reception.rows), newest)
    new = np.bincount(reception.first_feed_minutes, minlength=len(reception.feed_minutes)).tolist()
    replaced: list[Observation] = []
    versions: list[SupersededObservation] = []
    stored = {key: (Observation._make((*key, *known)), True) for key, known in conflicts}
    for key in reception.repeats.keys() - stored.keys():
        stored[key] = (reception.firsts[_first_place(reception, key)], False)
    for key, (before, conflicting) in stored.items():
        arrivals = reception.repeats.get(key, [])
        if conflicting:
            place = _first_place(reception, key)
            first = RepeatedObservation(reception.firsts[place], reception.first_feed_minutes[place])
            new[first.feed_minute] -= 1
            arrivals = [first, *arrivals]
        after = _apply_arrivals(before, arrivals, reception, versions, counts)
        if after is not before:
            replaced.append(after)
    for source, count in enumerate(new):
        if count:
            row = counts[reception.feed_minutes[source]]
            row.new += count
            row.observations += count
    if replaced:
        await connection.execute(query("historian/observations/replace_observations"), _columns(replaced))
    if versions:
        await _insert_superseded(connection, versions)


def resolve_conflict(stored: Observation, arrived: Observation) -> tuple[Observation, ObservationOutcome]:
    """Return which of two observations of one key stays, and what the one that arrived was.

    >>> stored = Observation(1, 0, 10, 2.5)
    >>> (resolve_conflict(stored, Observation(1, 0, 20, 2.5))[1],
    ...  resolve_conflict(stored, Observation(1, 0, 5, 7.0))[1])
    (<ObservationOutcome.DUPLICATE: 'duplicate'>, <ObservationOutcome.SUPERSEDED: 'superseded'>)
    """
    wins = arrived[2:] > stored[2:]
    if arrived[3:] == stored[3:]:
        return (arrived if wins else stored), ObservationOutcome.DUPLICATE
    return (arrived, ObservationOutcome.CORRECTION) if wins else (stored, ObservationOutcome.SUPERSEDED)


def _apply_arrivals(
    stored: Observation,
    arrivals: Iterable[RepeatedObservation],
    reception: ObservationBuffer,
    versions: list[SupersededObservation],
    counts: LedgerCounts,
) -> Observation:
    for arrived, source in arrivals:
        after, outcome = resolve_conflict(stored, arrived)
        row = counts[reception.feed_minutes[source]]
        row.observations += 1
        match outcome:
            case ObservationOutcome.CORRECTION:
                row.corrected += 1
            case ObservationOutcome.SUPERSEDED:
                row.superseded += 1
            case _:
                row.duplicate += 1
        loser = stored if after is arrived else arrived
        # Nobody ever knew a version that came in at the very moment of the one that it gives way to.
        if loser.received_time < after.received_time:
            versions.append(SupersededObservation(loser, after.received_time))
        stored = after
    return stored


def _first_place(reception: ObservationBuffer, key: tuple[int, Instant]) -> int:
    place = reception.first_place(key)
    assert place is not None  # noqa: S101 - a conflict or a repeat has a first one
    return place


async def _insert(
    connection: Connection, rows: ObservationRows, newest: NewestTimes
) -> list[tuple[tuple[int, Instant], tuple[Instant, float, int]]]:
    """Insert the observations whose key is new; return the other keys, and what is stored for them."""
    datastreams, times = datastreams_of(rows), times_of(rows)
    await newest.load_unknown(connection, datastreams, times)
    newer = newest.are_newer(datastreams, times)
    newest.record(datastreams, times)
    if newer.any():
        try:
            async with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(query("historian/observations/copy_observation")) as copy,
            ):
                await copy.write(copy_data(rows[newer]))
        except psycopg.errors.UniqueViolation:
            # Another writer was faster. The savepoint is undone; all of them are compared.
            newest.reset()
        else:
            rows = rows[~newer]
    return await _compare(connection, rows) if len(rows) else []


async def _compare(
    connection: Connection, rows: ObservationRows
) -> list[tuple[tuple[int, Instant], tuple[Instant, float, int]]]:
    """Insert the observations whose key is new, whatever is stored; return as `_insert` does."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("historian/observations/copy_staged_observation")) as copy:
            await copy.write(copy_data(rows))
        await cursor.execute(query("historian/observations/insert_observations"))
        found = await cursor.fetchall()
    if any(received is None for _, _, received, _, _ in found):
        raise psycopg.errors.SerializationFailure("another writer stores the same observations")
    return [
        ((datastream, from_datetime(time)), (from_datetime(received), value, flags))
        for datastream, time, received, value, flags in found
    ]


async def _insert_superseded(connection: Connection, versions: Sequence[SupersededObservation]) -> None:
    columns = _columns([version.observation for version in versions])
    superseded = [to_datetime(version.superseded_time) for version in versions]
    await connection.execute(
        query("historian/observations/insert_superseded_observations"), (*columns, superseded)
    )


def _columns(observations: Sequence[Observation]) -> tuple[list[object], ...]:
    return (
        [one.datastream for one in observations],
        [to_datetime(one.phenomenon_time) for one in observations],
        [to_datetime(one.received_time) for one in observations],
        [one.value for one in observations],
        [one.flags for one in observations],
    )
