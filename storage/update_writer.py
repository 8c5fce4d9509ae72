"""Writes updates: the newest state of each property and of each datastream, only where it is newer."""

from __future__ import annotations

from collections.abc import Iterable

from storage.database import Connection
from storage.queries import query
from twin.instant import to_datetime
from twin.messages import Update
from twin.observation import Observation

_PROPERTY_TYPES = ("text", "text", "int8", "float8", "timestamptz", "timestamptz", "int2", "int4[]")
_DATASTREAM_TYPES = ("int4", "timestamptz", "timestamptz", "float8", "int2")


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
                    )
                )
        await cursor.execute(query("merge_property_states"))


async def write_datastream_states(connection: Connection, states: Iterable[Observation]) -> None:
    """Store datastream states, at most one of each, where they are newer by the law of observations."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("copy_staged_datastream_state")) as copy:
            copy.set_types(_DATASTREAM_TYPES)
            for one in states:
                await copy.write_row(
                    (
                        one.datastream,
                        to_datetime(one.phenomenon_time),
                        to_datetime(one.received_time),
                        one.value,
                        one.flags,
                    )
                )
        await cursor.execute(query("merge_datastream_states"))
