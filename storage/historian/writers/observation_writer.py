"""Writes observations: by binary COPY, or through a staging table where keys may conflict.

Observations newer than everything stored of their datastream cannot conflict. Observations of a known key are
compared one after the other in the order of the log, each with the row stored at that moment. So the result
of each observation does not depend on where transactions end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import psycopg

from storage.database import Connection
from storage.historian.observation_buffer import ObservationBuffer, RepeatedObservation
from storage.historian.observation_rows import (
    ObservationRows,
    copy_data,
    datastreams_of,
    has_ranks,
    join_rows,
    times_of,
)
from storage.historian.writers.newest_times import NewestTimes
from storage.queries import query
from storage.stores.ledger_counts import LedgerCounts
from twin.instant import Instant, from_datetime, to_datetime
from twin.model.observation import Observation, order_of_knowledge
from twin.state.datastream_state import ObservationOutcome


class SupersededObservation(NamedTuple):
    """A version of an observation that another one replaced."""

    observation: Observation
    superseded_time: Instant  #: received time of the replacing observation


async def create_observation_staging(connection: Connection) -> None:
    """Create the staging table of this connection; it is empty at the start of each transaction."""
    await connection.execute(query("historian/observations/create_staged_observation"))


async def write_observations(
    connection: Connection, buffer: ObservationBuffer, counts: LedgerCounts, newest_times: NewestTimes
) -> None:
    """Store observations in the open transaction, and count the result of each.

    The rule is that of `twin.state.datastream_state`: of two observations with the same key, the one that
    became known later stays (`twin.model.observation.order_of_knowledge`). A duplicate that was received
    later, or has a greater rank, advances the stored `received_time` and `rank`. A replaced observation is
    stored as a version. Raises SerializationFailure when another writer stores the same keys at this moment.
    """
    conflicts = await _insert(connection, join_rows(buffer.rows), newest_times)
    new = np.bincount(buffer.first_feed_minutes, minlength=len(buffer.feed_minutes)).tolist()
    replacements: list[Observation] = []
    versions: list[SupersededObservation] = []
    stored = {key: (Observation._make((*key, *known)), True) for key, known in conflicts}
    for key in buffer.repeats.keys() - stored.keys():
        stored[key] = (buffer.firsts[_first_place(buffer, key)], False)
    for key, (before, is_stored) in stored.items():
        arrivals = buffer.repeats.get(key, [])
        if is_stored:
            place = _first_place(buffer, key)
            first = RepeatedObservation(buffer.firsts[place], buffer.first_feed_minutes[place])
            new[first.feed_minute] -= 1
            arrivals = [first, *arrivals]
        after = _apply_arrivals(before, arrivals, buffer, versions, counts)
        if after is not before:
            replacements.append(after)
    for source, count in enumerate(new):
        if count:
            row = counts[buffer.feed_minutes[source]]
            row.new += count
            row.observations += count
    if replacements:
        await connection.execute(query("historian/observations/replace_observations"), _columns(replacements))
    if versions:
        await _insert_superseded(connection, versions)


def resolve_conflict(stored: Observation, arrived: Observation) -> tuple[Observation, ObservationOutcome]:
    """Return which of two observations of one key stays, and the outcome of the arrived one.

    >>> stored = Observation(1, 0, 10, 2.5)
    >>> (resolve_conflict(stored, Observation(1, 0, 20, 2.5))[1],
    ...  resolve_conflict(stored, Observation(1, 0, 5, 7.0))[1])
    (<ObservationOutcome.DUPLICATE: 'duplicate'>, <ObservationOutcome.SUPERSEDED: 'superseded'>)
    """
    wins = order_of_knowledge(arrived) > order_of_knowledge(stored)
    if arrived[3:5] == stored[3:5]:
        return (arrived if wins else stored), ObservationOutcome.DUPLICATE
    return (arrived, ObservationOutcome.CORRECTION) if wins else (stored, ObservationOutcome.SUPERSEDED)


def _apply_arrivals(
    stored: Observation,
    arrivals: Iterable[RepeatedObservation],
    buffer: ObservationBuffer,
    versions: list[SupersededObservation],
    counts: LedgerCounts,
) -> Observation:
    for arrived, source in arrivals:
        after, outcome = resolve_conflict(stored, arrived)
        row = counts[buffer.feed_minutes[source]]
        row.observations += 1
        match outcome:
            case ObservationOutcome.CORRECTION:
                row.corrected += 1
            case ObservationOutcome.SUPERSEDED:
                row.superseded += 1
            case _:
                row.duplicate += 1
        loser = stored if after is arrived else arrived
        # A version received at the same moment as its replacement was never known.
        if loser.received_time < after.received_time:
            versions.append(SupersededObservation(loser, after.received_time))
        stored = after
    return stored


def _first_place(buffer: ObservationBuffer, key: tuple[int, Instant]) -> int:
    place = buffer.first_place(key)
    assert place is not None  # noqa: S101 - each conflict and each repeat has a first observation
    return place


async def _insert(
    connection: Connection, rows: ObservationRows, newest_times: NewestTimes
) -> list[tuple[tuple[int, Instant], tuple[Instant, float, int, int]]]:
    """Insert the observations with a new key; return the other keys with their stored observations."""
    datastreams, times = datastreams_of(rows), times_of(rows)
    await newest_times.load_unknown(connection, datastreams, times)
    newer = newest_times.are_newer(datastreams, times)
    newest_times.record(datastreams, times)
    if newer.any():
        try:
            async with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(query(_copy_name(rows))) as copy,
            ):
                await copy.write(copy_data(rows[newer], ranked=has_ranks(rows)))
        except psycopg.errors.UniqueViolation:
            # Another writer was faster. The savepoint is rolled back, and all observations are compared.
            newest_times.reset()
        else:
            rows = rows[~newer]
    return await _compare(connection, rows) if len(rows) else []


async def _compare(
    connection: Connection, rows: ObservationRows
) -> list[tuple[tuple[int, Instant], tuple[Instant, float, int, int]]]:
    """Insert the observations with a new key by comparing all of them; return as `_insert` does."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("historian/observations/copy_staged_observation")) as copy:
            await copy.write(copy_data(rows, ranked=True))
        await cursor.execute(query("historian/observations/insert_observations"))
        known_rows = await cursor.fetchall()
    if any(received is None for _, _, received, *_ in known_rows):
        raise psycopg.errors.SerializationFailure("another writer stores the same observations")
    return [
        ((datastream, from_datetime(time)), (from_datetime(received), value, flags, rank))
        for datastream, time, received, value, flags, rank in known_rows
    ]


async def _insert_superseded(connection: Connection, versions: Sequence[SupersededObservation]) -> None:
    columns = _columns([version.observation for version in versions])
    superseded = [to_datetime(version.superseded_time) for version in versions]
    await connection.execute(
        query("historian/observations/insert_superseded_observations"), (*columns, superseded)
    )


def _columns(observations: Sequence[Observation]) -> tuple[list[object], ...]:
    return (
        [observation.datastream for observation in observations],
        [to_datetime(observation.phenomenon_time) for observation in observations],
        [to_datetime(observation.received_time) for observation in observations],
        [observation.value for observation in observations],
        [observation.flags for observation in observations],
        [observation.rank for observation in observations],
    )


def _copy_name(rows: ObservationRows) -> str:
    """Return the COPY statement for rows: without the column of ranks where no row has one."""
    if has_ranks(rows):
        return "historian/observations/copy_ranked_observation"
    return "historian/observations/copy_observation"
