"""Writes what the stream derives: aggregates of windows, judgements, and requests for repairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from storage.database import Connection
from storage.historian.log_batch import RepairRequest
from storage.queries import query
from twin.instant import HOUR, MINUTE, Duration, Instant, format_instant, to_datetime
from twin.state.window import Aggregate
from twin.wire.messages import Assessment

AGGREGATE_TABLES: dict[Duration, str] = {
    MINUTE: "aggregate_minute",
    10 * MINUTE: "aggregate_ten_minutes",
    HOUR: "aggregate_hour",
}
"""The table of each size of window that the stream aggregates."""

_COLUMN_TYPES = (
    *("int4", "int8", "timestamptz", "int8", "int4", "int4", "float8", "int2"),
    *("float8", "float8", "float8", "float8", "float8", "float8", "bytea"),
)


async def create_aggregate_staging(connection: Connection) -> None:
    """Create the staging table of a connection; it is empty at the start of each transaction."""
    await connection.execute(query("historian/aggregates/create_staged_aggregate"))


async def write_aggregates(connection: Connection, aggregates: Collection[Aggregate]) -> None:
    """Store aggregates, at most one of each window, where their revision is greater than the stored one."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("historian/aggregates/copy_staged_aggregate")) as copy:
            copy.set_types(_COLUMN_TYPES)
            for one in aggregates:
                await copy.write_row(
                    (
                        one.datastream,
                        one.size,
                        to_datetime(one.start),
                        one.revision,
                        one.count,
                        one.suspect,
                        one.expected,
                        one.flags,
                        one.minimum,
                        one.maximum,
                        one.mean,
                        one.total,
                        one.first,
                        one.last,
                        one.sketch,
                    )
                )
        for size in sorted({one.size for one in aggregates}):
            await cursor.execute(
                query("historian/aggregates/merge_aggregates", table=AGGREGATE_TABLES[size]), (size,)
            )


async def write_assessments(connection: Connection, assessments: Collection[Assessment]) -> None:
    """Store judgements, at most one of each observation, where their revision is greater."""
    await connection.execute(
        query("historian/aggregates/merge_assessments"),
        (
            _array_literal(str(one.datastream) for one in assessments),
            _array_literal(format_instant(one.phenomenon_time) for one in assessments),
            _array_literal(str(one.flags) for one in assessments),
            _array_literal(str(one.revision) for one in assessments),
        ),
    )


def _array_literal(elements: Iterable[str]) -> str:
    """Return numbers or times as the text of an array: lists take psycopg six times as long.

    >>> _array_literal(["1", "2"])
    '{1,2}'
    """
    return f"{{{','.join(elements)}}}"


async def request_repairs(
    connection: Connection, log_id: str, requests: Mapping[tuple[int, Instant], RepairRequest]
) -> None:
    """Ask for hours of datastreams to be made again."""
    await connection.execute(
        query("historian/aggregates/request_repairs"),
        (
            log_id,
            [datastream for datastream, _ in requests],
            [to_datetime(hour) for _, hour in requests],
            [one.partition for one in requests.values()],
            [one.log_offset for one in requests.values()],
            [to_datetime(one.requested_at) for one in requests.values()],
        ),
    )
