"""Rows of the table `observation` in the format of PostgreSQL's binary COPY."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.traffic import Numbers

COPY_OBSERVATIONS = """
COPY observation (phenomenon_time, received_time, value, datastream_id, flags) FROM STDIN (FORMAT BINARY)
"""

POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01T00:00:00Z: PostgreSQL counts microseconds from there."""

_COLUMNS = (
    ("phenomenon", ">i8"),
    ("received", ">i8"),
    ("value", ">f8"),
    ("datastream", ">i4"),
    ("flags", ">i2"),
)
# The number of columns, then the length and the bytes of each.
_ROW = np.dtype(
    [
        ("columns", ">i2"),
        *(part for name, kind in _COLUMNS for part in ((f"{name}Bytes", ">i4"), (name, kind))),
    ]
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


def binary_copy(
    datastreams: Numbers, phenomenon: Numbers, received: Numbers, values: NDArray[np.float64]
) -> bytes:
    """Return the data of one COPY; element n of each array belongs to row n, times are instants."""
    rows = np.zeros(len(datastreams), _ROW)
    rows["columns"] = len(_COLUMNS)
    for name, kind in _COLUMNS:
        rows[f"{name}Bytes"] = np.dtype(kind).itemsize
    rows["phenomenon"] = phenomenon - POSTGRES_EPOCH_US
    rows["received"] = received - POSTGRES_EPOCH_US
    rows["value"] = values
    rows["datastream"] = datastreams
    return _HEADER + rows.tobytes() + _TRAILER
