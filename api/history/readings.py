"""Pages of single stored values, oldest first: observations, or published values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api.context import ApiContext
from api.history import models
from api.http.parameters import instant_or
from api.http.problems import RequestFault, bad_request
from api.http.responses import decode_page_cursor, next_cursor
from storage.history.lineage import PublishedValue, read_published_values
from storage.history.observations import ObservationCursor, read_newest_start, read_observations
from twin.instant import DAY, INSTANT_MIN, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.quality_flags import quality_word
from twin.quality.quality_rules import QualityRules


def requested_interval(start: str | None, end: str | None, now: Instant) -> tuple[Instant, Instant]:
    """Return start and exclusive end of a query: the last 24 hours by default; raise a problem when empty."""
    last = instant_or(end, now)
    first = instant_or(start, last - DAY)
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
    """Which page of readings."""

    start: Instant
    end: Instant
    limit: int
    cursor: str | None
    known_at: Instant | None = None


async def read_observation_page(
    context: ApiContext, datastreams: Sequence[int], query: ReadingsQuery, rules: QualityRules
) -> tuple[list[Observation], str | None]:
    """Return a page of observations of one property, checked by its rules, and the cursor of the next page.

    The cursor is None on the last page.
    """
    after = decode_page_cursor(query.cursor, ObservationCursor)
    async with context.database.connection() as connection:
        page = await read_observations(
            connection,
            datastreams,
            query.start,
            query.end,
            query.limit,
            after,
            quality_rules=rules,
            known_at=query.known_at,
        )
    return page, next_cursor(
        page, query.limit, lambda last: ObservationCursor(last.phenomenon_time, last.datastream)
    )


async def newest_start(context: ApiContext, datastream: int, query: ReadingsQuery) -> Instant:
    """Return the start of a query without one: 24 hours before the newest observation.

    A further page goes on from its cursor, also when newer observations have arrived.
    """
    after = decode_page_cursor(query.cursor, ObservationCursor)
    if after is not None:
        return after.phenomenon_time
    async with context.database.connection() as connection:
        return await read_newest_start(connection, datastream, query.end, DAY, query.known_at)


async def read_published_page(
    context: ApiContext, entity: str, name: str, query: ReadingsQuery
) -> tuple[list[PublishedValue], str | None]:
    """Return a page of published values and the cursor of the next page, None on the last page."""
    after = decode_page_cursor(query.cursor, int)
    async with context.database.connection() as connection:
        page = await read_published_values(
            connection,
            entity,
            name,
            query.start,
            query.end,
            query.limit,
            INSTANT_MIN if after is None else after,
        )
    return page, next_cursor(page, query.limit, lambda last: last.phenomenon_time)


def observation_model(observation: Observation, model: CityModel) -> models.ObservationModel:
    """Return one observation."""
    return models.ObservationModel(
        phenomenon_time=format_instant(observation.phenomenon_time),
        received_time=format_instant(observation.received_time),
        value=observation.value,
        quality=quality_word(observation.flags),
        sensor_id=_sensor(observation, model),
    )


def stored_observation(observation: Observation, model: CityModel) -> models.StoredValue:
    """Return one observation of a history."""
    return models.StoredValue(
        phenomenon_time=format_instant(observation.phenomenon_time),
        value=observation.value,
        quality=quality_word(observation.flags),
        received_time=format_instant(observation.received_time),
        sensor_id=_sensor(observation, model),
    )


def _sensor(observation: Observation, model: CityModel) -> str | None:
    datastream = model.datastreams.get(observation.datastream)
    return datastream.sensor if datastream is not None else None


def stored_published_value(value: PublishedValue) -> models.StoredValue:
    """Return one published value of a history."""
    return models.StoredValue(
        phenomenon_time=format_instant(value.phenomenon_time),
        value=value.value,
        quality=quality_word(value.flags),
        count=value.count,
    )
