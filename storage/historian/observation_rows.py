"""Packs observations as rows of PostgreSQL's binary COPY, all of a log record at once.

The format is described in PostgreSQL's documentation of COPY, section "Binary Format": a header, the rows, a
trailer. A row is its number of fields, then the length and bytes of each field, all big-endian. All rows of
observations have the same length, so numpy fills an array of them column by column.
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
        *(("rank_bytes", ">i4"), ("rank", ">i8")),
    ]
)
_BLANK = np.array([(6, 8, 0, 8, 0, 8, 0.0, 4, 0, 2, 0, 8, 0)], _ROW)

# The last field of a row, and the number of fields without it.
_RANK_BYTES = 12
_UNRANKED_FIELDS = 5


def pack_observations(observations: Sequence[Observation]) -> ObservationRows | None:
    """Return observations as rows, in order; None when the columns cannot hold one of them."""
    rows = np.repeat(_BLANK, len(observations))
    if not observations:
        return rows
    datastreams, times, received, values, flags, ranks = zip(*observations, strict=True)
    if (
        min(datastreams) < 0
        or max(datastreams) > DATASTREAM_ID_MAX
        or min(flags) < 0
        or max(flags) > FLAGS_MAX
        or min(times) < INSTANT_MIN
        or max(times) > INSTANT_MAX
        or min(received) < INSTANT_MIN
        or max(received) > INSTANT_MAX
        or min(ranks) < 0
        or max(ranks) > INSTANT_MAX
    ):
        return None
    rows["time"] = np.array(times, np.int64) - POSTGRES_EPOCH
    rows["received"] = np.array(received, np.int64) - POSTGRES_EPOCH
    rows["value"] = values
    rows["datastream"] = datastreams
    rows["flags"] = flags
    if any(ranks):
        rows["rank"] = ranks
    return rows


def join_rows(parts: Sequence[ObservationRows]) -> ObservationRows:
    """Return the rows of all parts as one array, in order."""
    # Not `np.concatenate`: it converts the values to the byte order of the machine.
    return np.frombuffer(b"".join([part.tobytes() for part in parts]), _ROW)


def fits_columns(observation: Observation) -> bool:
    """Return whether the columns can hold an observation."""
    return (
        0 <= observation[0] <= DATASTREAM_ID_MAX
        and INSTANT_MIN <= observation[1] <= INSTANT_MAX
        and INSTANT_MIN <= observation[2] <= INSTANT_MAX
        and 0 <= observation[4] <= FLAGS_MAX
        and 0 <= observation[5] <= INSTANT_MAX
    )


def datastreams_of(rows: ObservationRows) -> NDArray[np.int64]:
    """Return the datastream ids of rows."""
    return rows["datastream"].astype(np.int64)


def times_of(rows: ObservationRows) -> NDArray[np.int64]:
    """Return the phenomenon times of rows, as instants."""
    times: NDArray[np.int64] = rows["time"].astype(np.int64) + POSTGRES_EPOCH
    return times


def has_ranks(rows: ObservationRows) -> bool:
    """Return whether any row has a rank."""
    return bool(rows["rank"].any())


def copy_data(rows: ObservationRows, *, ranked: bool) -> bytes:
    """Return rows as COPY data, with header and trailer, and with the column of ranks or without it."""
    if ranked:
        return b"".join((COPY_HEADER, rows.tobytes(), COPY_TRAILER))
    # Almost no observation has a rank: without the column a stored row takes eight bytes less.
    data = rows.view(np.uint8).reshape(len(rows), _ROW.itemsize)[:, :-_RANK_BYTES].copy()
    data[:, 0:2] = 0, _UNRANKED_FIELDS
    return b"".join((COPY_HEADER, data.tobytes(), COPY_TRAILER))
