"""Reads many observations as columns: what `storage.history.observations` reads, for downloads.

A column comes from the database as one value, so that a row costs the reader no call of Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.database import Connection, QueryError
from storage.history.history_reader import fetch_binary, query_transaction, read_extents
from storage.history.lineage import SourceDatastream
from storage.history.observations import ObservationCursor
from storage.history.read_plan import DatastreamExtent, calibration_segments
from storage.queries import query
from twin.instant import (
    DAY,
    INSTANT_MIN,
    MINUTE,
    Duration,
    Instant,
    format_instant,
    from_datetime,
    to_datetime,
)
from twin.quality.quality_flags import QualityFlag
from twin.quality.quality_rules import QualityRules

COLUMN_ROWS_MAX = 65_536
"""Of one statement: some 2 MB, read within a fraction of a second."""

BULK_DATASTREAMS_MAX = 50_000
"""Of one download: their ids go with each statement, half a megabyte."""

_POSTGRES_EPOCH: Instant = 946_684_800_000_000  # 2000-01-01T00:00:00Z


RECEPTION_DELAY_MAX: Duration = 7 * DAY
"""From the phenomenon time to the reception: what a device sends later is not looked for by reception."""

RECEPTION_LEAD_MAX: Duration = 5 * MINUTE
"""From the reception to the phenomenon time, as ingest and stream accept by default: an observation further
ahead is no state."""


class ReceptionPlace(NamedTuple):
    """A place among observations in the order of reception."""

    received_time: Instant
    datastream: int
    phenomenon_time: Instant


class ObservedDatastream(NamedTuple):
    """A datastream with what it observes."""

    source: SourceDatastream
    entity: str
    property: str


class ObservationColumns(NamedTuple):
    """Observations, oldest first, those of the same time by datastream: element n is of row n."""

    datastream: NDArray[np.int32]
    phenomenon_time: NDArray[np.int64]  #: instants
    received_time: NDArray[np.int64]  #: instants
    value: NDArray[np.float64]  #: calibrated
    flags: NDArray[np.int16]

    @property
    def last(self) -> ObservationCursor:
        """The position of the last row."""
        return ObservationCursor(int(self.phenomenon_time[-1]), int(self.datastream[-1]))

    def rows(self, index: slice | NDArray[np.intp]) -> ObservationColumns:
        """Return the rows that an index of numpy selects."""
        return ObservationColumns(
            self.datastream[index],
            self.phenomenon_time[index],
            self.received_time[index],
            self.value[index],
            self.flags[index],
        )


@dataclass(frozen=True, slots=True)
class BulkSeries:
    """The datastreams of a download as known at a time, with what all its statements need about them."""

    known_at: Instant
    datastreams: list[int]
    late_after: list[int]
    skew_after: list[int]
    calibrated: list[DatastreamExtent]
    raw_from: Instant  #: earlier single observations of one of them were removed
    observations_per_us: float  #: that all are expected to make


async def list_observed_datastreams(
    connection: Connection,
    *,
    properties: Sequence[str] = (),
    sensors: Sequence[str] = (),
    last: int | None = None,
) -> list[ObservedDatastream]:
    """Return the datastreams, including retired ones, that observe properties by sensors, ordered by id.

    Without names all; none has an id above `last`.
    """
    parameters = {"properties": list(properties) or None, "sensors": list(sensors) or None, "last": last}
    cursor = await connection.execute(query("history/bulk/list_datastreams"), parameters)
    return [
        ObservedDatastream(SourceDatastream(id, sensor, personal), entity, property)
        for id, sensor, personal, entity, property in await cursor.fetchall()
    ]


async def read_bulk_series(
    connection: Connection, rules: Mapping[int, QualityRules], known_at: Instant
) -> BulkSeries:
    """Return the series of these datastreams, each with the quality rules of its property.

    Raises QueryError when there are too many, or the database takes too long.
    """
    if len(rules) > BULK_DATASTREAMS_MAX:
        raise QueryError(
            f"{len(rules)} datastreams: expected at most {BULK_DATASTREAMS_MAX}; ask for fewer properties, "
            "types or areas"
        )
    extents = await read_extents(connection, sorted(rules), known_at)
    return BulkSeries(
        known_at=known_at,
        datastreams=[extent.id for extent in extents],
        late_after=[rules[extent.id].late_after + extent.interval for extent in extents],
        skew_after=[rules[extent.id].skew_after for extent in extents],
        calibrated=[extent for extent in extents if extent.calibrations],
        raw_from=max((extent.raw_from for extent in extents), default=INSTANT_MIN),
        observations_per_us=sum(1 / extent.interval for extent in extents if extent.interval),
    )


async def read_observation_columns(
    connection: Connection,
    series: BulkSeries,
    span: tuple[Instant, Instant],
    after: ObservationCursor,
    limit: int = COLUMN_ROWS_MAX,
) -> ObservationColumns:
    """Return at most `limit` observations behind a position, with start ≤ phenomenon time < end.

    Raises QueryError when retention has removed a part of the span, or the database takes too long.
    """
    columns, removed_to = await _read_columns(
        connection,
        series,
        "history/page_known_at",
        span,
        {
            "after_time": to_datetime(after.phenomenon_time),
            "after_datastream": after.datastream,
            "limit": min(limit, COLUMN_ROWS_MAX),
        },
    )
    check_kept(span[0], removed_to)
    return columns


async def read_received_columns(
    connection: Connection,
    series: BulkSeries,
    received: tuple[Instant, Instant],
    after: ReceptionPlace,
    limit: int = COLUMN_ROWS_MAX,
) -> ObservationColumns:
    """Return at most `limit` observations behind a place, with start ≤ received time < end.

    They are in the order of reception, with the versions that were replaced since. Those whose phenomenon
    time is more than `RECEPTION_DELAY_MAX` before their reception are left out. Raises QueryError as
    `read_observation_columns` does.
    """
    start, end = received
    columns, removed_to = await _read_columns(
        connection,
        series,
        "history/bulk/page_received",
        (start - RECEPTION_DELAY_MAX, end + RECEPTION_LEAD_MAX),
        {
            **_place_parameters(after),
            "received_start": to_datetime(start),
            "received_end": to_datetime(end),
            "limit": min(limit, COLUMN_ROWS_MAX),
        },
    )
    check_kept(start, removed_to)
    return columns.rows(np.lexsort((columns.phenomenon_time, columns.datastream, columns.received_time)))


async def read_newest_columns(
    connection: Connection, series: BulkSeries, at: ReceptionPlace
) -> ObservationColumns:
    """Return the newest observation of each datastream among those that were received up to a place.

    Observations more than `RECEPTION_DELAY_MAX` before that count as none.
    """
    time = at.received_time
    columns, _ = await _read_columns(
        connection,
        series,
        "history/bulk/page_newest",
        (time - RECEPTION_DELAY_MAX, time + RECEPTION_LEAD_MAX),
        _place_parameters(at),
    )
    return columns


def _place_parameters(place: ReceptionPlace) -> dict[str, Any]:
    return {
        "place_received": to_datetime(place.received_time),
        "place_datastream": place.datastream,
        "place_phenomenon": to_datetime(place.phenomenon_time),
        "lead": RECEPTION_LEAD_MAX,
    }


async def _read_columns(
    connection: Connection,
    series: BulkSeries,
    rows: str,
    span: tuple[Instant, Instant],
    parameters: Mapping[str, Any],
) -> tuple[ObservationColumns, Instant | None]:
    """Return the columns of the rows in a span of phenomenon time, and until when some were removed."""
    start, end = span
    segments = calibration_segments(series.calibrated, start, end)
    statement = query("history/bulk/read_observation_columns", rows=rows)
    common = {
        "datastreams": series.datastreams,
        "late_after": series.late_after,
        "skew_after": series.skew_after,
        "segment_datastreams": [segment.datastream for segment in segments],
        "segment_starts": [to_datetime(segment.start) for segment in segments],
        "segment_ends": [to_datetime(segment.end) for segment in segments],
        "gains": [segment.gain for segment in segments],
        "offsets": [segment.offset for segment in segments],
        "late": int(QualityFlag.LATE),
        "skew": int(QualityFlag.CLOCK_SKEW),
        "known_at": to_datetime(series.known_at),
        "start": to_datetime(start),
        "end": to_datetime(end),
        "after_time": to_datetime(INSTANT_MIN),
    }
    async with query_transaction(connection):
        ((_, *columns, removed_to),) = await fetch_binary(connection, statement, {**common, **parameters})
    datastream, measured, received, value, flags = (column or b"" for column in columns)
    return ObservationColumns(
        np.frombuffer(datastream, ">i4").astype(np.int32),
        np.frombuffer(measured, ">i8").astype(np.int64) + _POSTGRES_EPOCH,
        np.frombuffer(received, ">i8").astype(np.int64) + _POSTGRES_EPOCH,
        np.frombuffer(value, ">f8").astype(np.float64),
        np.frombuffer(flags, ">i2").astype(np.int16),
    ), from_datetime(removed_to) if removed_to is not None else None


def check_kept(start: Instant, removed_to: Instant | None) -> None:
    """Raise QueryError when single observations of a span were removed from its start on."""
    if removed_to is not None and start < removed_to:
        raise QueryError(
            f"single observations before {format_instant(removed_to)} were removed: ask from then on, or for "
            "fewer properties, as each is kept for a time of its own"
        )
