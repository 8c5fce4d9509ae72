"""Single readings: one page of observations out of the database, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.context import Context
from api.paging import page_cursor, page_key
from api.parameters import parse_time
from api.problems import Fault, bad_request
from storage.history import HistoricObservation, ObservationCursor, observations
from twin.instant import DAY, Instant, format_instant
from twin.model import CityModel
from twin.quality import quality_word


def interval_asked(start: str | None, end: str | None, now: Instant) -> tuple[Instant, Instant]:
    """Return the asked time, `end` exclusive: the last 24 hours unless said; raise a problem when empty."""
    last = parse_time(end) if end else now
    first = parse_time(start) if start else last - DAY
    if first >= last:
        raise bad_request(
            Fault(
                "query",
                "start",
                "empty",
                f"`start` {format_instant(first)} is not before `end` {format_instant(last)}",
            )
        )
    return first, last


async def page_of_readings(
    context: Context,
    datastreams: Sequence[int],
    start: Instant,
    end: Instant,
    *,
    limit: int,
    cursor: str | None,
) -> tuple[list[HistoricObservation], str | None]:
    """Return a page of observations and the cursor of the next, None at the end."""
    after = page_key(cursor, ObservationCursor)
    async with context.database.connection() as connection:
        page = await observations(connection, datastreams, start, end, limit, after)
    following = None
    if len(page) == limit:
        last = page[-1]
        following = page_cursor(ObservationCursor(last.phenomenon_time, last.datastream))
    return page, following


def reading_document(row: HistoricObservation, model: CityModel) -> dict[str, Any]:
    """Return one observation."""
    datastream = model.datastreams.get(row.datastream)
    return {
        "phenomenonTime": format_instant(row.phenomenon_time),
        "receivedTime": format_instant(row.received_time),
        "value": row.value,
        "quality": quality_word(row.flags),
        "sensorId": datastream.sensor if datastream is not None else None,
    }
