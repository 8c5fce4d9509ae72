"""Writes updates: the newest state of each property and each datastream, and the series of derived values."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from storage.database import Connection
from storage.log_batch import ToldState
from storage.queries import query
from twin.instant import to_datetime
from twin.messages import Update

_PROPERTY_TYPES = (
    *("text", "text", "int8", "float8", "timestamptz", "timestamptz", "int2", "int4[]"),
    *("int2", "float8", "timestamptz", "int4[]", "int4"),
)
_DATASTREAM_TYPES = ("int4", "timestamptz", "timestamptz", "float8", "int2", "int8")


async def create_staging(connection: Connection) -> None:
    """Create the staging tables of a connection; they are empty at the start of each transaction."""
    await connection.execute(query("create_staged_property_state"))
    await connection.execute(query("create_staged_datastream_state"))


async def write_property_states(connection: Connection, updates: Iterable[Update]) -> None:
    """Store updates, at most one of each property, where their revision is greater than the stored one."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("copy_staged_property_state")) as copy:
            copy.set_types(_PROPERTY_TYPES)
            for one in updates:
                good = one.last_good
                await copy.write_row(
                    (
                        one.entity,
                        one.property,
                        one.revision,
                        one.value,
                        to_datetime(one.phenomenon_time),
                        to_datetime(one.received_time),
                        one.flags,
                        list(one.datastreams),
                        int(one.kind),
                        good.value if good is not None else None,
                        to_datetime(good.phenomenon_time) if good is not None else None,
                        list(one.deviating),
                        one.count,
                    )
                )
        await cursor.execute(query("merge_property_states"))


async def write_datastream_states(connection: Connection, states: Iterable[ToldState]) -> None:
    """Store datastream states, at most one of each, where their revision is greater than the stored one."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("copy_staged_datastream_state")) as copy:
            copy.set_types(_DATASTREAM_TYPES)
            for revision, one in states:
                await copy.write_row(
                    (
                        one.datastream,
                        to_datetime(one.phenomenon_time),
                        to_datetime(one.received_time),
                        one.value,
                        one.flags,
                        revision,
                    )
                )
        await cursor.execute(query("merge_datastream_states"))


async def write_entity_values(connection: Connection, updates: Collection[Update]) -> None:
    """Store derived values, at most one of each time, where their revision is greater than the stored one."""
    await connection.execute(
        query("merge_entity_values"),
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
