"""Detects the edition of TimescaleDB, and adds the columnstores that only the Community edition supports.

The Apache edition has the same functions in its catalog and refuses to run them, so the licence decides.
LiveTwin does not need the Community edition: it only saves space.
"""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from storage.database import Connection
from storage.queries import query

log = logging.getLogger(__name__)

TimescaleEdition: TypeAlias = Literal["apache", "community"]

COLUMNSTORE_QUERIES = {
    "observation": "schema/add_columnstore_observation",
    "aggregate_minute": "schema/add_columnstore_aggregate_minute",
    "aggregate_ten_minutes": "schema/add_columnstore_aggregate_ten_minutes",
    "aggregate_hour": "schema/add_columnstore_aggregate_hour",
}
"""Hypertables whose chunks are stored by column after some weeks, with the statements that configure this.

By then rows hardly change: updating a chunk that is stored by column is slower. Segments are datastreams,
ordered by time, so that a query about one datastream reads little.
"""


async def read_edition(connection: Connection) -> TimescaleEdition:
    """Return the edition of a database."""
    async with connection.transaction():
        row = await (await connection.execute(query("schema/read_edition"))).fetchone()
    licence, has_policies = row if row is not None else (None, False)
    return "community" if licence == "timescale" and has_policies else "apache"


async def add_edition_features(connection: Connection) -> list[str]:
    """Add what the edition supports beyond the migrations; return the hypertables that were changed.

    To be called after the migrations; may be repeated. Existing configuration stays, also that of an
    administrator.
    """
    if await read_edition(connection) == "apache":
        return []
    async with connection.transaction():
        rows = await (await connection.execute(query("schema/list_columnstores"))).fetchall()
    present = {str(name) for (name,) in rows}
    added = [name for name in COLUMNSTORE_QUERIES if name not in present]
    for name in added:
        async with connection.transaction():
            await connection.execute(query(COLUMNSTORE_QUERIES[name]))
        log.info(
            "old chunks of %s are stored by column from now on",
            name,
            extra={"event": "schema.columnstore_added", "table": name},
        )
    return added
