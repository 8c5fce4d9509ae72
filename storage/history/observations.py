"""Reads single observations: calibrated, with all quality flags, as known now or at an earlier time."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from storage.database import Connection, QueryError
from storage.history.history_reader import (
    fetch_binary,
    observation_parameters,
    query_transaction,
    read_extents_in_transaction,
    unique_ids,
)
from storage.history.read_plan import ReadSpan
from storage.queries import query
from twin.instant import INSTANT_MIN, Duration, Instant, format_instant, from_datetime, to_datetime
from twin.model.observation import Observation
from twin.quality.quality_rules import TIME_RULES_ONLY, QualityRules

# A page of observations is at most 1 MB of JSON; a chart has a few thousand pixels.
OBSERVATIONS_MAX = 10_000


class ObservationCursor(NamedTuple):
    """A position in a list of observations, oldest first."""

    phenomenon_time: Instant
    datastream: int


async def read_datastream_ids(connection: Connection, entity: str, property: str) -> list[int]:
    """Return the datastreams that observe, or once observed, a property of an entity."""
    cursor = await connection.execute(query("history/list_datastream_ids"), (entity, property))
    return [int(row[0]) for row in await cursor.fetchall()]


async def read_newest_start(
    connection: Connection, datastream: int, end: Instant, length: Duration, known_at: Instant | None = None
) -> Instant:
    """Return the start of the time with the newest observations of a datastream before `end`.

    It is `length` before the newest observation, or later where retention has removed older ones; without an
    observation, `length` before `end`. Raises QueryError when the database takes too long.
    """
    async with query_transaction(connection):
        (extent,) = await read_extents_in_transaction(connection, [datastream], known_at)
        ((newest,),) = await fetch_binary(
            connection,
            query("history/find_newest_time"),
            {
                "datastream": datastream,
                "end": to_datetime(end),
                "known_at": to_datetime(known_at) if known_at is not None else None,
            },
        )
    last = end if newest is None else from_datetime(newest) + 1
    return max(last - length, min(extent.raw_from, last))


async def read_observations(  # noqa: PLR0917 - a request has so many parts
    connection: Connection,
    datastream_ids: Collection[int],
    start: Instant,
    end: Instant,
    limit: int,
    after: ObservationCursor | None = None,
    *,
    quality_rules: QualityRules = TIME_RULES_ONLY,
    known_at: Instant | None = None,
) -> list[Observation]:
    """Return at most `limit` (≤ `OBSERVATIONS_MAX`) observations with start ≤ phenomenon time < end.

    They are calibrated and have all quality flags. Oldest first, those of the same time by datastream;
    `after` is the position of the last one of the previous page. `quality_rules` are those of the property:
    they define late observations and clocks that are ahead. With `known_at`, the answer is the one at that
    time.

    Raises QueryError when there are too many datastreams, when retention has removed a part of the range, or
    when the database takes too long.
    """
    async with query_transaction(connection):
        return await read_observations_in_transaction(
            connection, datastream_ids, ReadSpan("raw", start, end), limit, after, quality_rules, known_at
        )


async def read_observations_in_transaction(  # noqa: PLR0917 - as `read_observations`
    connection: Connection,
    datastream_ids: Collection[int],
    span: ReadSpan,
    limit: int,
    after: ObservationCursor | None,
    rules: QualityRules,
    known_at: Instant | None,
) -> list[Observation]:
    """Return what `read_observations` returns, within `query_transaction`."""
    extents = await read_extents_in_transaction(connection, unique_ids(datastream_ids), known_at)
    raw_from = max((extent.raw_from for extent in extents), default=INSTANT_MIN)
    if span.start < raw_from:
        raise QueryError(
            f"single observations before {format_instant(raw_from)} were removed: ask from then on, or for "
            "buckets with an interval of whole hours"
        )
    position = after if after is not None else ObservationCursor(INSTANT_MIN, -1)
    page = "history/page_now" if known_at is None else "history/page_known_at"
    rows = await fetch_binary(
        connection,
        query("history/list_observations", rows=page),
        {
            **observation_parameters(extents, span, rules, known_at),
            "after_time": to_datetime(position.phenomenon_time),
            "after_datastream": position.datastream,
            "limit": max(0, min(limit, OBSERVATIONS_MAX)),
        },
    )
    return [
        Observation(datastream, from_datetime(measured), from_datetime(received), value, flags)
        for datastream, measured, received, value, flags in rows
    ]
