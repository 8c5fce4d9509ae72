"""What the database holds after the load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.city import BenchCity
from benchmarks.live_events import UNKNOWN
from benchmarks.traffic import Numbers

_COUNT = "SELECT count(*) FROM observation"

# Fixed widths: so the binary rows are an array as they are.
_STORED = """
COPY (SELECT datastream_id::bigint, phenomenon_time, value::float8 FROM observation) TO STDOUT (FORMAT BINARY)
"""
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("idBytes", ">i4"),
        ("id", ">i8"),
        ("timeBytes", ">i4"),
        ("time", ">i8"),  #: microseconds since 2000
        ("valueBytes", ">i4"),
        ("value", ">f8"),
    ]
)
_HEADER_BYTES = 19
_TRAILER_BYTES = 2
_2000_US = 946_684_800_000_000

_DATASTREAMS = "SELECT id, entity_id, property FROM datastream"

_QUARANTINED = "SELECT reason, count(*) FROM quarantine GROUP BY reason ORDER BY reason"

_SIZE = """
SELECT coalesce(sum(table_bytes), 0)::bigint, coalesce(sum(index_bytes), 0)::bigint
FROM hypertable_detailed_size('observation')
"""

# A log begins at offset 0, and the historian stores how far it is with what it read.
_RECORDS = "SELECT topic, sum(next_offset)::bigint FROM log_position GROUP BY topic ORDER BY topic"

_VERSIONS = """
SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'timescaledb'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The content of the hypertable `observation` and of `quarantine`.

    Of all arrays, element n belongs to row n.
    """

    datastreams: Numbers  #: index in the city, or UNKNOWN
    times: Numbers  #: phenomenon instants
    values: NDArray[np.float64]
    quarantined: dict[str, int]  #: messages by reason
    records: dict[str, int]  #: of the log, by topic
    table_bytes: int
    index_bytes: int


class Archive:
    """A connection to the system's database, for looking only."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, application_name="livetwin-benchmark")

    def count(self) -> int:
        """Return how many observations are stored now."""
        return int(self._one(_COUNT)[0])

    def versions(self) -> dict[str, str]:
        """Return the versions of PostgreSQL and TimescaleDB."""
        postgres, timescale = self._one(_VERSIONS)
        return {"postgresql": str(postgres), "timescaledb": str(timescale)}

    def read(self, city: BenchCity) -> Stored:
        """Return everything that was stored."""
        table, index = self._one(_SIZE)
        rows = self._rows()
        return Stored(
            datastreams=self._indexes(city)[rows["id"].astype(np.int64)],
            times=rows["time"].astype(np.int64) + _2000_US,
            values=rows["value"].astype(np.float64),
            quarantined={reason: int(count) for reason, count in self._connection.execute(_QUARANTINED)},
            records={topic: int(count) for topic, count in self._connection.execute(_RECORDS)},
            table_bytes=int(table),
            index_bytes=int(index),
        )

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _rows(self) -> NDArray[np.void]:
        with self._connection.cursor() as cursor, cursor.copy(_STORED) as copy:
            data = b"".join(bytes(block) for block in copy)
        return np.frombuffer(data[_HEADER_BYTES:-_TRAILER_BYTES], _ROW)

    def _indexes(self, city: BenchCity) -> Numbers:
        """Return the index in the city of each datastream id."""
        known = {
            (city.entity_name(index), city.property_name(index)): index for index in range(city.datastreams)
        }
        found = self._connection.execute(_DATASTREAMS).fetchall()
        indexes = np.full(1 + max((id for id, _, _ in found), default=0), UNKNOWN, np.int64)
        for id, entity, property in found:
            indexes[id] = known.get((entity, property), UNKNOWN)
        return indexes

    def _one(self, query: LiteralString) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return row
