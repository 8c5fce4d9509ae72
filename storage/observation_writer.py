"""Writes observations: binary COPY into a staging table, then one merge into the hypertable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from struct import Struct
from typing import NamedTuple

from storage.database import Connection
from storage.queries import query
from twin.instant import from_datetime
from twin.observation import Observation

# PostgreSQL's binary COPY (its documentation, COPY, "Binary Format"): a header, the rows, a trailer. A row is
# its count of fields, then each field's length and bytes. One Struct packs a row without an object a value.
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_ROW = Struct(">h iq iq id ii ih")
_POSTGRES_EPOCH = from_datetime(datetime(2000, 1, 1, tzinfo=UTC))


class Merged(NamedTuple):
    """What became of the observations of one merge."""

    new: int
    corrected: int


async def create_staging(connection: Connection) -> None:
    """Create the staging table of a connection; it is empty at the start of each transaction."""
    await connection.execute(query("create_staged_observation"))


async def write_observations(connection: Connection, observations: Iterable[Observation]) -> Merged:
    """Merge observations, none twice, in the transaction that is open.

    The law is that of `twin.datastream_state`: of two with the same key the greater (received_time, value,
    flags) stays. A duplicate that was received later moves the stored `received_time` on.
    """
    rows = list(map(_packed, observations))
    async with connection.cursor() as cursor:
        async with cursor.copy(query("copy_staged_observation")) as copy:
            await copy.write(b"".join((_HEADER, *rows, _TRAILER)))
        await cursor.execute(query("merge_observations"))
        counts = await cursor.fetchone()
        assert counts is not None  # noqa: S101 - an aggregate without GROUP BY has one row
        merged = Merged(int(counts[0]), int(counts[1]))
        if merged.new + merged.corrected < len(rows):
            await cursor.execute(query("move_received_times"))
    return merged


def _packed(one: Observation) -> bytes:
    return _ROW.pack(
        5,
        8,
        one[1] - _POSTGRES_EPOCH,
        8,
        one[2] - _POSTGRES_EPOCH,
        8,
        one[3],
        4,
        one[0],
        2,
        one[4],
    )
