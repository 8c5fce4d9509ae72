"""Writes rows into the tables of the history without the historian."""

from __future__ import annotations

from collections.abc import Iterable

from storage.database import Connection
from storage.historian.writers.aggregate_writer import create_aggregate_staging, write_aggregates
from twin.instant import to_datetime
from twin.model.observation import Observation
from twin.state.window import Aggregate


async def store_observations(connection: Connection, observations: Iterable[Observation]) -> None:
    """Store observations, whose keys must be new."""
    async with connection.transaction(), connection.cursor() as cursor:
        columns = "(datastream_id, phenomenon_time, received_time, value, flags)"
        async with cursor.copy(f"COPY observation {columns} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(("int4", "timestamptz", "timestamptz", "float8", "int2"))
            for datastream, measured, received, value, flags, _ in observations:
                await copy.write_row((datastream, to_datetime(measured), to_datetime(received), value, flags))


async def store_states(connection: Connection, observations: Iterable[Observation]) -> None:
    """Store the newest of observations as the states of their datastreams."""
    newest: dict[int, Observation] = {}
    for one in observations:
        if one.datastream not in newest or one.phenomenon_time > newest[one.datastream].phenomenon_time:
            newest[one.datastream] = one
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO datastream_state (datastream_id, phenomenon_time, received_time, value, flags) "
            "VALUES (%s, %s, %s, %s, %s)",
            [
                (id, to_datetime(one.phenomenon_time), to_datetime(one.received_time), one.value, one.flags)
                for id, one in newest.items()
            ],
        )


async def store_assessments(connection: Connection, found: Iterable[tuple[int, int, int, int]]) -> None:
    """Store quality flags: (datastream, phenomenon time, flags, revision)."""
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO assessment (datastream_id, phenomenon_time, flags, revision) "
            "VALUES (%s, %s, %s, %s)",
            [(id, to_datetime(time), flags, revision) for id, time, flags, revision in found],
        )


async def store_aggregates(connection: Connection, aggregates: Iterable[Aggregate]) -> None:
    """Store aggregates as the historian does."""
    async with connection.transaction():
        await create_aggregate_staging(connection)
        await write_aggregates(connection, list(aggregates))
    async with connection.transaction():
        await connection.execute("DROP TABLE staged_aggregate")
