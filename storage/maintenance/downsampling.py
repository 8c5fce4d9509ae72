"""Downsampling: creates the coarser aggregates of history before its finer rows are removed.

The stream computes nearly all aggregates up to an hour. Missing ones (of history older than the aggregates)
are computed here from raw observations. Days are computed from hours, from midnight to midnight of the city.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.database import Connection, fetch_rows
from storage.history.bucket_parts import PartialBucket
from storage.maintenance.recompute import first_observation_time, recompute_hours
from storage.queries import query
from twin.instant import DAY, HOUR, Instant, from_datetime, to_datetime
from twin.model.observed_property import ObservedProperty
from twin.state.sketch import merge_encoded

SEARCH_SPAN = 7 * DAY
"""The time range that is searched at once for hours without an aggregate."""

HOURS_PER_TRANSACTION_MAX = 24
"""The most hours that are computed in one transaction."""


async def create_missing_hours(
    connection: Connection,
    properties: Mapping[str, ObservedProperty],
    datastream: int,
    start: Instant,
    end: Instant,
) -> int:
    """Create the missing hourly aggregates of a datastream in start ≤ t < end; return the number of hours.

    `start` and `end` are whole hours. Time without observations is skipped. The connection is one that
    `storage.maintenance.repair.prepare_repairs` has prepared.
    """
    created = 0
    while (first := await first_observation_time(connection, [datastream], start, end)) is not None:
        begin = first - first % HOUR
        start = min(begin + SEARCH_SPAN, end)
        rows = await fetch_rows(
            connection,
            "maintenance/downsampling/list_hours_without_aggregate",
            _range_parameters(datastream, begin, start),
        )
        hours = [from_datetime(hour) for (hour,) in rows]
        created += len(hours)
        while hours:
            group = [hour for hour in hours[:HOURS_PER_TRANSACTION_MAX] if hour - hours[0] < DAY]
            hours = hours[len(group) :]
            async with connection.transaction():
                span = (group[0], group[-1] + HOUR)
                await recompute_hours(connection, properties, datastream, span, 0)
    return created


async def create_days(
    connection: Connection, property: ObservedProperty, datastream: int, end: Instant, zone: str
) -> Instant | None:
    """Replace all hours before a midnight of the time zone by days, in the open transaction.

    Returns the end of the last day, or None when there were no hours.
    """
    rows = await fetch_rows(
        connection,
        "maintenance/downsampling/find_first_hour_aggregate",
        {"datastream": datastream, "end": to_datetime(end)},
    )
    if not rows:
        return None
    start = from_datetime(rows[0][0])
    circular = property.aggregation == "circular_mean"
    parameters = {
        **_range_parameters(datastream, start, end),
        "datastreams": [datastream],
        "source": "hour",
        "interval": "1 days",
        "zone": zone,
        "apart": False,
        "circular": circular,
        "totals": True,
        "extremes": True,
        "ends": True,
        "percentiles": True,
    }
    parts = {
        row[0]: PartialBucket.from_row(row[2:])
        for row in await fetch_rows(connection, "history/list_aggregate_buckets", parameters)
    }
    for day, expected, revision in await fetch_rows(
        connection, "maintenance/downsampling/summarise_hours", parameters
    ):
        part = parts[day]
        figures = part.aggregate_values(("mean", "min", "max", "sum", "first", "last"), property.aggregation)
        adds_up = property.aggregation in {"sum", "counter"}
        await connection.execute(
            query("maintenance/downsampling/write_day"),
            {
                "datastream": datastream,
                "start": day,
                "revision": revision,
                "count": part.count,
                "suspect": part.suspect,
                "expected": expected,
                "flags": part.flags,
                "minimum": figures["min"],
                "maximum": figures["max"],
                "mean": figures["mean"],
                "sum": figures["sum"] if adds_up else None,
                "first": figures["first"],
                "last": figures["last"],
                "sketch": merge_encoded(part.sketches, part.sketch_count).encode(),
            },
        )
    await connection.execute(query("maintenance/downsampling/remove_hours"), parameters)
    return end


def _range_parameters(datastream: int, start: Instant, end: Instant) -> dict[str, Any]:
    return {"datastream": datastream, "start": to_datetime(start), "end": to_datetime(end)}
