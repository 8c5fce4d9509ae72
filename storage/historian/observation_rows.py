"""Observations as rows of PostgreSQL's binary COPY, a whole record of the log at a time.

The format is that of PostgreSQL's documentation, COPY, "Binary Format": a header, the rows, a trailer. A row
is its count of fields, then each field's length and bytes, all big-endian. Every row of observations is as
long as any other, so the rows are an array, and its columns are filled by one instruction each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from storage.column_limits import DATASTREAM_ID_MAX, FLAGS_MAX
from twin.instant import INSTANT_MAX, INSTANT_MIN, from_datetime
from twin.model.observation import Observation

ObservationRows: TypeAlias = NDArray[Any]
"""An array of `_ROW`."""

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
POSTGRES_EPOCH = from_datetime(datetime(2000, 1, 1, tzinfo=UTC))

_ROW = np.dtype(
    [
        *(("fields", ">i2"), ("time_bytes", ">i4"), ("time", ">i8"), ("received_bytes", ">i4")),
        *(("received", ">i8"), ("value_bytes", ">i4"), ("value", ">f8"), ("datastream_bytes", ">i4")),
        *(("datastream", ">i4"), ("flags_bytes", ">i4"), ("flags", ">i2")),
    ]
)
_BLANK = np.array([(5, 8, 0, 8, 0, 8, 0.0, 4, 0, 2, 0)], _ROW)


def pack_observations(observations: Sequence[Observation]) -> ObservationRows | None:
    """Return observations as rows, in order; None when there is one that the columns cannot hold."""
    rows = np.repeat(_BLANK, len(observations))
    if not observations:
        return rows
    datastreams, times, received, values, flags = zip(*observations, strict=True)
    if (
        min(datastreams) < 0
        or max(datastreams) > DATASTREAM_ID_MAX
        or min(flags) < 0
        or max(flags) > FLAGS_MAX
        or min(times) < INSTANT_MIN
        or max(times) > INSTANT_MAX
        or min(received) < INSTANT_MIN
        or max(received) > INSTANT_MAX
    ):
        return None
    rows["time"] = np.array(times, np.int64) - POSTGRES_EPOCH
    rows["received"] = np.array(received, np.int64) - POSTGRES_EPOCH
    rows["value"] = values
    rows["datastream"] = datastreams
    rows["flags"] = flags
    return rows


def join_rows(parts: Sequence[ObservationRows]) -> ObservationRows:
    """Return rows one behind the other."""
    # Not numpy's own: it puts the bytes of what it joins in the order of the machine.
    return np.frombuffer(b"".join([one.tobytes() for one in parts]), _ROW)


def fits_columns(one: Observation) -> bool:
    """Return whether the columns can hold an observation."""
    return (
        0 <= one[0] <= DATASTREAM_ID_MAX
        and INSTANT_MIN <= one[1] <= INSTANT_MAX
        and INSTANT_MIN <= one[2] <= INSTANT_MAX
        and 0 <= one[4] <= FLAGS_MAX
    )


def datastreams_of(rows: ObservationRows) -> NDArray[np.int64]:
    """Return the datastreams of rows."""
    return rows["datastream"].astype(np.int64)


def times_of(rows: ObservationRows) -> NDArray[np.int64]:
    """Return the phenomenon times of rows, as instants."""
    times: NDArray[np.int64] = rows["time"].astype(np.int64) + POSTGRES_EPOCH
    return times


def copy_data(rows: ObservationRows) -> bytes:
    """Return rows as COPY reads them."""
    return b"".join((COPY_HEADER, rows.tobytes(), COPY_TRAILER))
