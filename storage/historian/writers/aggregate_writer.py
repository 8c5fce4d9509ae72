"""Writes the derived rows of the stream: aggregates of windows, assessments and repair requests."""

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
    """Create the staging table of this connection; it is empty at the start of each transaction."""
    await connection.execute(query("historian/aggregates/create_staged_aggregate"))


async def write_aggregates(connection: Connection, aggregates: Collection[Aggregate]) -> None:
    """Store aggregates, at most one of each window, whose revision is greater than the stored one."""
    async with connection.cursor() as cursor:
        async with cursor.copy(query("historian/aggregates/copy_staged_aggregate")) as copy:
            copy.set_types(_COLUMN_TYPES)
            for aggregate in aggregates:
                await copy.write_row(
                    (
                        aggregate.datastream,
                        aggregate.size,
                        to_datetime(aggregate.start),
                        aggregate.revision,
                        aggregate.count,
                        aggregate.suspect,
                        aggregate.expected,
                        aggregate.flags,
                        aggregate.minimum,
                        aggregate.maximum,
                        aggregate.mean,
                        aggregate.total,
                        aggregate.first,
                        aggregate.last,
                        aggregate.sketch,
                    )
                )
        for size in sorted({aggregate.size for aggregate in aggregates}):
            await cursor.execute(
                query("historian/aggregates/merge_aggregates", table=AGGREGATE_TABLES[size]), (size,)
            )


async def write_assessments(connection: Connection, assessments: Collection[Assessment]) -> None:
    """Store assessments, at most one of each observation, whose revision is greater than the stored one."""
    await connection.execute(
        query("historian/aggregates/merge_assessments"),
        (
            _array_literal(str(assessment.datastream) for assessment in assessments),
            _array_literal(format_instant(assessment.phenomenon_time) for assessment in assessments),
            _array_literal(str(assessment.flags) for assessment in assessments),
            _array_literal(str(assessment.revision) for assessment in assessments),
        ),
    )


def _array_literal(elements: Iterable[str]) -> str:
    """Return numbers or times as a PostgreSQL array literal: psycopg takes six times as long for lists.

    >>> _array_literal(["1", "2"])
    '{1,2}'
    """
    return f"{{{','.join(elements)}}}"


async def request_repairs(
    connection: Connection, log_id: str, requests: Mapping[tuple[int, Instant], RepairRequest]
) -> None:
    """Store requests to recompute hours of datastreams."""
    await connection.execute(
        query("historian/aggregates/request_repairs"),
        (
            log_id,
            [datastream for datastream, _ in requests],
            [to_datetime(hour) for _, hour in requests],
            [request.partition for request in requests.values()],
            [request.log_offset for request in requests.values()],
            [to_datetime(request.requested_at) for request in requests.values()],
        ),
    )
