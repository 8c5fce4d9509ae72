"""Writes updates: the newest state of each property and datastream, and the series of derived values.

States are packed as rows of PostgreSQL's binary COPY, described in `storage.historian.observation_rows`. A
few compiled structures take a fifth of the time that psycopg takes with an object for each value.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Mapping
from struct import Struct

import psycopg

from storage.database import Connection
from storage.historian.observation_rows import COPY_HEADER, COPY_TRAILER, POSTGRES_EPOCH
from storage.historian.update_buffer import SeriesRequest
from storage.queries import query
from twin.instant import Instant, to_datetime
from twin.wire.messages import Update

# Joining the staged rows with the table costs less for each row than an index lookup, but reads the whole
# table: for 10,000 states that takes 3 ms, as long as about this many lookups.
MERGE_MANY_ROWS_MIN = 1_000


async def create_state_staging(connection: Connection) -> None:
    """Create the staging tables of this connection; they are empty at the start of each transaction."""
    await connection.execute(query("historian/states/create_staged_property_state"))
    await connection.execute(query("historian/states/create_staged_datastream_state"))


async def write_property_states(connection: Connection, updates: Collection[Update]) -> None:
    """Store updates, at most one of each property, whose revision is greater than the stored one.

    Raises SerializationFailure when another writer stores the first state of a property at this moment.
    """
    joined = len(updates) >= MERGE_MANY_ROWS_MIN
    await _write(
        connection,
        query("historian/states/copy_staged_property_state"),
        pack_property_states(updates),
        query("historian/states/merge_many_property_states")
        if joined
        else query("historian/states/merge_property_states"),
    )


async def write_datastream_states(connection: Connection, updates: Collection[Update]) -> None:
    """Store the datastream states in updates, at most one of each, whose revision is greater.

    Raises SerializationFailure as `write_property_states` does.
    """
    joined = len(updates) >= MERGE_MANY_ROWS_MIN
    await _write(
        connection,
        query("historian/states/copy_staged_datastream_state"),
        pack_datastream_states(updates),
        query("historian/states/merge_many_datastream_states")
        if joined
        else query("historian/states/merge_datastream_states"),
    )


async def _write(connection: Connection, stage: bytes, rows: bytes, merge: bytes) -> None:
    async with connection.cursor() as cursor:
        async with cursor.copy(stage) as copy:
            await copy.write(rows)
        try:
            await cursor.execute(merge)
        except psycopg.errors.UniqueViolation as error:
            raise psycopg.errors.SerializationFailure("another writer stores the same states") from error


async def write_entity_values(connection: Connection, updates: Collection[Update]) -> None:
    """Store derived values, at most one of each time, whose revision is greater than the stored one.

    A withdrawn value becomes a row without a value: its revision holds off earlier ones.
    """
    await connection.execute(
        query("historian/states/merge_entity_values"),
        (
            [update.entity for update in updates],
            [update.property for update in updates],
            [to_datetime(update.phenomenon_time) for update in updates],
            [None if math.isnan(update.value) else update.value for update in updates],
            [update.flags for update in updates],
            [update.count for update in updates],
            [update.revision for update in updates],
            [update.members for update in updates],
            [update.members_expected for update in updates],
        ),
    )


async def write_amended_series(connection: Connection, revisions: Mapping[tuple[str, str], int]) -> None:
    """Store the greatest revision of an amendment of each series, by entity and name."""
    await connection.execute(
        query("historian/states/merge_amended_series"),
        (
            [entity for entity, _ in revisions],
            [name for _, name in revisions],
            list(revisions.values()),
        ),
    )


async def request_series_repairs(
    connection: Connection, log_id: str, requests: Mapping[tuple[str, str, Instant], SeriesRequest]
) -> None:
    """Store requests to compute days of derived series again."""
    await connection.execute(
        query("historian/states/request_series_repairs"),
        (
            log_id,
            [entity for entity, _, _ in requests],
            [name for _, name, _ in requests],
            [to_datetime(day) for _, _, day in requests],
            [request.partition for request in requests.values()],
            [request.offset for request in requests.values()],
        ),
    )


_INTEGER = 23  # PostgreSQL's number of the type of an element

_COUNT = Struct(">h")
_LENGTH = Struct(">i")
_NULL = b"\xff\xff\xff\xff"
_EMPTY_ARRAY = Struct(">iiii").pack(12, 0, 0, _INTEGER)
_ARRAY_OF_ONE = Struct(">iiiiiiii")

# Of a property: revision, value, both times, flags; kind; last good value and its time; count, members,
# expected members, and whether it is preliminary.
_PROPERTY = Struct(">iq id iq iq ih")
_KIND = Struct(">ih")
_LAST_GOOD = Struct(">id iq")
_HOW_MANY = Struct(">ii ii ii i?")
_PROPERTY_FIELDS = _COUNT.pack(16)

# Of a datastream: id, both times, value, flags, revision.
_DATASTREAM = Struct(">h ii iq iq id ih iq")


def pack_property_states(updates: Iterable[Update]) -> bytes:
    """Return updates as COPY data, with the columns of `copy_staged_property_state`."""
    return b"".join((COPY_HEADER, *map(_property_row, updates), COPY_TRAILER))


def pack_datastream_states(updates: Iterable[Update]) -> bytes:
    """Return the datastream states of updates, with the columns of `copy_staged_datastream_state`."""
    return b"".join((COPY_HEADER, *map(_datastream_row, updates), COPY_TRAILER))


def _property_row(update: Update) -> bytes:
    entity, name, good = update.entity.encode(), update.property.encode(), update.last_good
    return b"".join(
        (
            _PROPERTY_FIELDS,
            _LENGTH.pack(len(entity)),
            entity,
            _LENGTH.pack(len(name)),
            name,
            _PROPERTY.pack(
                *(8, update.revision, 8, update.value, 8, update.phenomenon_time - POSTGRES_EPOCH),
                *(8, update.received_time - POSTGRES_EPOCH, 2, update.flags),
            ),
            _array(update.datastreams),
            _KIND.pack(2, update.kind),
            _NULL + _NULL
            if good is None
            else _LAST_GOOD.pack(8, good.value, 8, good.phenomenon_time - POSTGRES_EPOCH),
            _array(update.deviating),
            _HOW_MANY.pack(
                *(4, update.count, 4, update.members, 4, update.members_expected, 1, update.preliminary)
            ),
        )
    )


def _datastream_row(update: Update) -> bytes:
    assert update.observation is not None  # noqa: S101 - only updates with one are collected
    datastream, measured, received, value, flags, _ = update.observation
    return _DATASTREAM.pack(
        *(6, 4, datastream, 8, measured - POSTGRES_EPOCH, 8, received - POSTGRES_EPOCH),
        *(8, value, 2, flags, 8, update.revision),
    )


def _array(ids: tuple[int, ...]) -> bytes:
    """Return integers as a one-dimensional array without NULL, with lower bound 1."""
    if len(ids) == 1:
        return _ARRAY_OF_ONE.pack(28, 1, 0, _INTEGER, 1, 1, 4, ids[0])
    if not ids:
        return _EMPTY_ARRAY
    elements = (number for id in ids for number in (4, id))
    return struct.pack(f">6i{2 * len(ids)}i", 20 + 8 * len(ids), 1, 0, _INTEGER, len(ids), 1, *elements)
