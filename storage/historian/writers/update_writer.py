"""Writes updates: the newest state of each property and each datastream, and the series of derived values."""

from __future__ import annotations

from collections.abc import Collection

import psycopg

from storage.database import Connection
from storage.queries import query
from storage.state_rows import pack_datastream_states, pack_property_states
from twin.instant import to_datetime
from twin.wire.messages import Update

# A join of what is staged with the table costs less for each row than a look into its index, but it reads the
# whole table: 10,000 states are 3 ms, as much as so many looks.
MERGE_MANY_ROWS_MIN = 1_000


async def create_state_staging(connection: Connection) -> None:
    """Create the staging tables of a connection; they are empty at the start of each transaction."""
    await connection.execute(query("historian/states/create_staged_property_state"))
    await connection.execute(query("historian/states/create_staged_datastream_state"))


async def write_property_states(connection: Connection, updates: Collection[Update]) -> None:
    """Store updates, at most one of each property, where their revision is greater than the stored one.

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
    """Store the datastream states that updates tell, at most one of each, where their revision is greater.

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
    """Store derived values, at most one of each time, where their revision is greater than the stored one."""
    await connection.execute(
        query("historian/states/merge_entity_values"),
        (
            [one.entity for one in updates],
            [one.property for one in updates],
            [to_datetime(one.phenomenon_time) for one in updates],
            [one.value for one in updates],
            [one.flags for one in updates],
            [one.count for one in updates],
            [one.revision for one in updates],
        ),
    )
