"""The register of dossiers: who was given which dossier, and when."""

from __future__ import annotations

from typing import NamedTuple

from storage.database import Connection, fetch_rows
from storage.queries import query
from twin.instant import Instant, from_datetime, to_datetime


class IssuedDossier(NamedTuple):
    """A dossier that was made."""

    issued_time: Instant
    issued_to: str  #: name of an API key, or the user of the database
    occurrence: int
    known_at: Instant
    sha256: bytes  #: of the file


async def record_dossier(
    connection: Connection, alarm: str, dossier: tuple[int, Instant, bytes], issued_to: str | None
) -> None:
    """Register a dossier: occurrence, instant and digest; without a name it is of the database's user."""
    occurrence, known_at, sha256 = dossier
    async with connection.transaction():
        await connection.execute(
            query("stores/alarms/record_dossier"),
            {
                "alarm": alarm,
                "occurrence": occurrence,
                "known_at": to_datetime(known_at),
                "sha256": sha256,
                "issued_to": issued_to,
            },
        )


async def read_issued_dossiers(connection: Connection, alarm: str, limit: int) -> list[IssuedDossier]:
    """Return the dossiers that were made of an alarm, newest first."""
    rows = await fetch_rows(connection, "stores/alarms/list_dossiers", {"alarm": alarm, "limit": limit})
    return [
        IssuedDossier(from_datetime(issued), to, occurrence, from_datetime(known), bytes(sha256))
        for issued, to, occurrence, known, sha256 in rows
    ]
