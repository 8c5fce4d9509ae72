"""Rows of the table `observation` as PostgreSQL's binary COPY takes them, ready made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.load.bench_city import BenchCity
from runtime.clock import system_clock

COPY = """
COPY observation (phenomenon_time, received_time, value, datastream_id, flags) FROM STDIN (FORMAT BINARY)
"""

_COLUMNS = (
    ("phenomenon", ">i8"),
    ("received", ">i8"),
    ("value", ">f8"),
    ("datastream", ">i4"),
    ("flags", ">i2"),
)
_ROW = np.dtype(
    [
        ("columns", ">i2"),
        *(part for name, kind in _COLUMNS for part in ((f"{name}Bytes", ">i4"), (name, kind))),
    ]
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_2000_US = 946_684_800_000_000
_APART_US = 40  #: 25,000 a second


def packed_rows(city: BenchCity, rows: int, each: int) -> Iterator[bytes]:
    """Yield so many rows, `each` a COPY, as the datastreams of the city would send them until now."""
    start = system_clock() - rows * _APART_US - _2000_US
    for begin in range(0, rows, each):
        numbers = np.arange(begin, min(begin + each, rows), dtype=np.int64)
        table = np.zeros(len(numbers), _ROW)
        table["columns"] = len(_COLUMNS)
        for name, kind in _COLUMNS:
            table[f"{name}Bytes"] = np.dtype(kind).itemsize
        table["phenomenon"] = start + numbers * _APART_US
        table["received"] = table["phenomenon"] + 1_000
        table["value"] = city.tenths_of(numbers) / 10
        table["datastream"] = numbers % city.datastreams + 1
        yield _HEADER + table.tobytes() + _TRAILER
