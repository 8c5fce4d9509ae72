"""What the database holds after the load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from twin.instant import from_datetime

_COUNT = "SELECT count(*) FROM observation"

_STORED = """
SELECT d.sensor_id, o.phenomenon_time, o.value
FROM observation o LEFT JOIN datastream d ON d.id = o.datastream_id
"""

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
    """The content of the hypertable `observation` and of `quarantine`."""

    rows: list[tuple[str | None, int, float]]  #: sensor, phenomenon instant, value
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

    def read(self) -> Stored:
        """Return everything that was stored."""
        table, index = self._one(_SIZE)
        rows = self._connection.execute(_STORED).fetchall()
        return Stored(
            rows=[(sensor, from_datetime(time), value) for sensor, time, value in rows],
            quarantined={reason: int(count) for reason, count in self._connection.execute(_QUARANTINED)},
            records={topic: int(count) for topic, count in self._connection.execute(_RECORDS)},
            table_bytes=int(table),
            index_bytes=int(index),
        )

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _one(self, query: LiteralString) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return row
