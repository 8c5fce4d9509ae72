"""Reads what is computed again from stored observations, and how far it is."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from storage.database import Connection, fetch_rows
from twin.instant import Instant, from_datetime

RecomputeReason: TypeAlias = Literal["correction", "quality", "interval"]
"""What changed in the model; a correction is that of a calibration or of a maintenance."""


class RecomputeProgress(NamedTuple):
    """What one change of the model made be computed again."""

    requested_at: Instant
    reason: RecomputeReason
    property: str  #: empty: all of a sensor
    sensors: int
    finished: int  #: of the sensors
    share: float  #: of the time that has to be processed, 0 to 1
    finished_at: Instant | None


async def read_recomputes(connection: Connection, limit: int) -> list[RecomputeProgress]:
    """Return the newest requests, newest first; those of one change and property are one."""
    rows = await fetch_rows(connection, "stores/recomputes/list_recomputes", {"limit": limit})
    return [
        RecomputeProgress(
            from_datetime(requested),
            reason,
            property,
            sensors,
            finished,
            share,
            from_datetime(finished_at) if finished_at is not None else None,
        )
        for requested, reason, property, sensors, finished, share, finished_at in rows
    ]
