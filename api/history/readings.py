"""Single values of the past: one page of observations, or of published values, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from api.context import ApiContext
from api.http.parameters import parse_time
from api.http.problems import RequestFault, bad_request
from api.http.responses import decode_page_cursor, encode_page_cursor
from storage.history.lineage import PublishedValue, read_published_values
from storage.history.observations import CalibratedObservation, ObservationCursor, read_observations
from twin.instant import DAY, INSTANT_MIN, Instant, format_instant
from twin.model.city_model import CityModel
from twin.quality.quality_flags import quality_word
from twin.quality.quality_rules import QualityRules


def requested_interval(start: str | None, end: str | None, now: Instant) -> tuple[Instant, Instant]:
    """Return the asked time, `end` exclusive: the last 24 hours unless said; raise a problem when empty."""
    last = parse_time(end) if end else now
    first = parse_time(start) if start else last - DAY
    if first >= last:
        raise bad_request(
            RequestFault(
                "query",
                "start",
                "empty",
                f"`start` {format_instant(first)} is not before `end` {format_instant(last)}",
            )
        )
    return first, last


class ReadingsQuery(NamedTuple):
    """Which readings."""

    start: Instant
    end: Instant
    limit: int
    cursor: str | None
    known_at: Instant | None = None


async def read_observation_page(
    context: ApiContext, datastreams: Sequence[int], wanted: ReadingsQuery, rules: QualityRules
) -> tuple[list[CalibratedObservation], str | None]:
    """Return a page of observations of one property, judged by its rules, and the cursor of the next page.

    The cursor is None at the end.
    """
    after = decode_page_cursor(wanted.cursor, ObservationCursor)
    async with context.database.connection() as connection:
        page = await read_observations(
            connection,
            datastreams,
            wanted.start,
            wanted.end,
            wanted.limit,
            after,
            quality_rules=rules,
            known_at=wanted.known_at,
        )
    following = None
    if len(page) == wanted.limit:
        last = page[-1]
        following = encode_page_cursor(ObservationCursor(last.phenomenon_time, last.datastream))
    return page, following


async def read_published_page(
    context: ApiContext, entity: str, name: str, wanted: ReadingsQuery
) -> tuple[list[PublishedValue], str | None]:
    """Return a page of published values, and the cursor of the next page, None at the end."""
    after = decode_page_cursor(wanted.cursor, int)
    async with context.database.connection() as connection:
        page = await read_published_values(
            connection,
            entity,
            name,
            wanted.start,
            wanted.end,
            wanted.limit,
            INSTANT_MIN if after is None else after,
        )
    return page, encode_page_cursor(page[-1].phenomenon_time) if len(page) == wanted.limit else None


def observation_document(row: CalibratedObservation, model: CityModel) -> dict[str, Any]:
    """Return one observation."""
    datastream = model.datastreams.get(row.datastream)
    return {
        "phenomenonTime": format_instant(row.phenomenon_time),
        "receivedTime": format_instant(row.received_time),
        "value": row.value,
        "quality": quality_word(row.flags),
        "sensorId": datastream.sensor if datastream is not None else None,
    }


def published_value_document(row: PublishedValue) -> dict[str, Any]:
    """Return one published value."""
    return {
        "phenomenonTime": format_instant(row.phenomenon_time),
        "value": row.value,
        "quality": quality_word(row.flags),
        "count": row.count,
    }
