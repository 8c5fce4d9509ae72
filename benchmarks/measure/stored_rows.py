"""Reads the rows that the system stored under load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.sql import SQL, Literal

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.traffic import Numbers
from benchmarks.measure.live_events import UNKNOWN_DATASTREAM
from twin.instant import Instant, to_datetime

_COUNT = "SELECT count(*) FROM observation WHERE phenomenon_time >= %s"

# PostgreSQL's own counters, a second old: counting rows that often would be a load by itself.
_INSERTED = """
SELECT coalesce(sum(s.n_tup_ins), 0)::bigint
FROM show_chunks('observation') AS chunk JOIN pg_stat_user_tables s ON s.relid = chunk
"""

# Columns of fixed width, so that the binary rows are an array.
_STORED = """
COPY (
    SELECT datastream_id::bigint, phenomenon_time, value::float8 FROM observation WHERE phenomenon_time >= {}
) TO STDOUT (FORMAT BINARY)
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
SELECT
    coalesce(sum(table_bytes), 0)::bigint,
    coalesce(sum(index_bytes), 0)::bigint,
    pg_database_size(current_database())
FROM hypertable_detailed_size('observation')
"""

# A log begins at offset 0, and the historian stores its positions with the rows.
_RECORDS = "SELECT topic, sum(next_offset)::bigint FROM log_position GROUP BY topic ORDER BY topic"

_VERSIONS = """
SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'timescaledb'
"""


class DatabaseSize(NamedTuple):
    """Sizes in bytes."""

    table: int  #: of the table `observation`
    indexes: int  #: of its indexes
    database: int  #: of the whole database

    def since(self, before: DatabaseSize) -> DatabaseSize:
        """Return the increase since an earlier size."""
        return DatabaseSize(*(now - then for now, then in zip(self, before, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObservations:
    """The rows of the hypertable `observation` from an instant on, and the counts of `quarantine`.

    Element n of each array belongs to row n.
    """

    datastreams: Numbers  #: index in the city, or UNKNOWN
    times: Numbers  #: phenomenon instants
    values: NDArray[np.float64]
    quarantined: dict[str, int]  #: messages by reason


class StoredRowsReader:
    """A read-only connection to the database of the system."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(
            dsn,
            autocommit=True,
            application_name="livetwin-benchmark",
            # So that one process has the cost of reading; it is not counted for the system.
            options="-c max_parallel_workers_per_gather=0",
        )

    @property
    def backend(self) -> int:
        """The PostgreSQL process of this connection."""
        return self._connection.info.backend_pid

    def count(self, since: Instant) -> int:
        """Return the number of stored observations with phenomenon times from an instant on."""
        return int(self._one(_COUNT, to_datetime(since))[0])

    def inserted(self) -> int:
        """Return about how many observations were inserted ever, until a second ago."""
        return int(self._one(_INSERTED)[0])

    def size(self) -> DatabaseSize:
        """Return the present sizes."""
        return DatabaseSize(*map(int, self._one(_SIZE)))

    def versions(self) -> dict[str, str]:
        """Return the versions of PostgreSQL and TimescaleDB."""
        postgres, timescale = self._one(_VERSIONS)
        return {"postgresql": str(postgres), "timescaledb": str(timescale)}

    def read(self, city: BenchCity, since: Instant) -> StoredObservations:
        """Return the stored observations."""
        rows = self._rows(since)
        return StoredObservations(
            datastreams=self._indexes(city)[rows["id"].astype(np.int64)],
            times=rows["time"].astype(np.int64) + _2000_US,
            values=rows["value"].astype(np.float64),
            quarantined={reason: int(count) for reason, count in self._connection.execute(_QUARANTINED)},
        )

    def records(self) -> dict[str, int]:
        """Return the number of log records that the historian read, by topic."""
        return {topic: int(count) for topic, count in self._connection.execute(_RECORDS)}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _rows(self, since: Instant) -> NDArray[np.void]:
        query = SQL(_STORED).format(Literal(to_datetime(since)))
        with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            data = b"".join(bytes(block) for block in copy)
        return np.frombuffer(data[_HEADER_BYTES:-_TRAILER_BYTES], _ROW)

    def _indexes(self, city: BenchCity) -> Numbers:
        """Return the index in the city of each datastream id."""
        index_of = {
            (city.entity_name(index), city.property_name(index)): index for index in range(city.datastreams)
        }
        rows = self._connection.execute(_DATASTREAMS).fetchall()
        indexes = np.full(1 + max((id for id, _, _ in rows), default=0), UNKNOWN_DATASTREAM, np.int64)
        for id, entity, property in rows:
            indexes[id] = index_of.get((entity, property), UNKNOWN_DATASTREAM)
        return indexes

    def _one(self, query: LiteralString, *values: object) -> tuple[Any, ...]:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return row
