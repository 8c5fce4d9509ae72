"""The edition of TimescaleDB: found out, never assumed; what only the Community edition can do is added.

The Apache edition has the same functions in its catalog and refuses to run them, so the licence decides.
LiveTwin needs nothing of the Community edition: it saves space.
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
"""Hypertables whose chunks are kept by column once they are some weeks old, with the statements that say so.

Old enough that hardly anything still changes: an update of a chunk that is kept by column is slower. Segments
are datastreams, in the order of time, so that a question about one reads little.
"""


async def read_edition(connection: Connection) -> TimescaleEdition:
    """Return the edition that a database runs."""
    async with connection.transaction():
        row = await (await connection.execute(query("schema/read_edition"))).fetchone()
    licence, has_policies = row if row is not None else (None, False)
    return "community" if licence == "timescale" and has_policies else "apache"


async def add_edition_features(connection: Connection) -> list[str]:
    """Add what the edition can do beyond the migrations; return the hypertables that were changed.

    Run after the migrations, as often as wanted: what is there stays, also what an administrator has changed.
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
        log.info("old chunks of %s are kept by column from now on", name)
    return added
