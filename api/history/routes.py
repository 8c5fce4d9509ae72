"""Route of the history of a property, an indicator or a roll-up: single values, or buckets of time."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from api.access.authorization import may_see_datastream, rights_of
from api.access.rights import Rights
from api.context import ApiContext, context_of
from api.entities.routes import lookup_entity
from api.history import answers as history_answers
from api.history import models
from api.history.readings import (
    ReadingsQuery,
    read_observation_page,
    read_published_page,
    requested_interval,
    stored_observation,
    stored_published_value,
)
from api.history.schemas import HistoryParameters
from api.history.series import (
    BucketQuery,
    ValueSeries,
    known_at_problem,
    lookup_name,
    read_buckets,
    read_series,
)
from api.http.answers import answers
from api.http.pages import page_links_model
from api.http.problems import ProblemError, RequestFault, bad_request
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName, HistoryBucket
from storage.history.buckets import BUCKETS_MAX
from twin.instant import INSTANT_MIN, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.names import ValueName
from twin.quality.quality_flags import quality_word

router = APIRouter(prefix="/v1", tags=["entities"])

_AGGREGATES: tuple[AggregateName, ...] = ("mean", "min", "max")


@router.get("/entities/{id}/history", summary="Get the history of a value")
@answers(history_answers.HISTORY, problems=(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND))
async def get_history(
    request: Request, id: str, parameters: Annotated[HistoryParameters, Query()]
) -> Response:
    """Return single values, oldest first, or one bucket for each `interval`.

    For measurements of households, every role gets published sums; only the role metering gets single
    readings. `source` names which of the two the answer holds.
    """
    rights = rights_of(request)
    context = context_of(request)
    entity = lookup_entity(context.model, id)
    _check_combination(parameters)
    name = lookup_name(parameters.property, context.model)
    start, end = requested_interval(parameters.start, parameters.end, context.clock())
    interval = BucketInterval.parse(parameters.interval) if parameters.interval else None
    if interval is None:
        _check_role(entity.id, name, context.model, rights)
    else:
        _check_interval(interval, start, end)
    async with context.database.connection() as connection:
        series = await read_series(connection, entity.id, name)
    known_at = parameters.known_at_instant
    readings: list[models.StoredValue] | UnsetType = UNSET
    buckets: list[models.BucketModel] | UnsetType = UNSET
    following: str | None = None
    if interval is None:
        page = ReadingsQuery(start, end, parameters.limit, parameters.cursor, known_at)
        readings, following = await _readings(context, series, page, rights)
    else:
        query = BucketQuery(
            start,
            end,
            interval,
            parameters.aggregate or _AGGREGATES,
            parameters.timezone or context.model.city.timezone,
            parameters.fill or "none",
            known_at,
        )
        async with context.database.connection() as connection:
            buckets = _bucket_models(await read_buckets(connection, series, query, context.model))
    published = series.published if interval is not None else not name.observed
    history = models.History(
        entity_id=entity.id,
        property=name.name,
        unit=name.unit,
        known_at=format_instant(known_at) if known_at is not None else UNSET,
        source="published" if published else "observations",
        interval=parameters.interval or UNSET,
        buckets=buckets,
        observations=readings,
        links=page_links_model(request, following),
    )
    return history_answers.HISTORY.response(history)


def _check_combination(parameters: HistoryParameters) -> None:
    """Raise a problem with every parameter that the others exclude."""
    faults = []
    bucket_options = {
        "aggregate": parameters.aggregate,
        "timezone": parameters.timezone,
        "fill": parameters.fill,
    }
    if parameters.interval is None:
        faults += [
            RequestFault("query", name, "needs-interval", f"`{name}` needs `interval`, such as interval=PT1H")
            for name, value in bucket_options.items()
            if value
        ]
    elif parameters.cursor is not None:
        faults.append(RequestFault("query", "cursor", "not-paged", "buckets have no pages: omit `cursor`"))
    if faults:
        raise bad_request(*faults)


def _check_interval(interval: BucketInterval, start: Instant, end: Instant) -> None:
    count = interval.count_max(start, end)
    if count > BUCKETS_MAX:
        raise bad_request(
            RequestFault(
                "query",
                "interval",
                "too-many",
                f"about {count} buckets, the limit is {BUCKETS_MAX}; ask for a longer interval or a shorter "
                "time",
            )
        )


async def _readings(
    context: ApiContext, series: ValueSeries, page: ReadingsQuery, rights: Rights
) -> tuple[list[models.StoredValue], str | None]:
    """Return the single values of a series that a principal may see, and the cursor of the next page."""
    name = series.named.name
    if not series.named.observed:
        if page.known_at is not None:
            raise known_at_problem(name)
        values, following = await read_published_page(context, series.entity, name, page)
        return [stored_published_value(value) for value in values], following
    readable = series.readable(rights.role_at(series.entity))
    if series.personal and not readable:
        raise _personal_data_problem()
    if set(readable) & set(series.personal):
        rights.read_households.add(series.entity)
    rules = context.model.properties[name].quality
    observations, following = await read_observation_page(context, readable, page, rules)
    return [stored_observation(each, context.model) for each in observations], following


def _check_role(entity: str, name: ValueName, model: CityModel, rights: Rights) -> None:
    """Raise a problem when the city model alone shows that a principal may see no single value."""
    datastreams = model.datastreams_of(entity, name.name) if name.observed else ()
    if datastreams and not any(may_see_datastream(rights, each, model) for each in datastreams):
        raise _personal_data_problem()


def _personal_data_problem() -> ProblemError:
    return ProblemError(
        HTTPStatus.FORBIDDEN,
        "These readings are personal data: they need an API key of the role metering. With an `interval`, "
        "such as interval=PT10M, the answer has the published sums over enough connections.",
    )


def _bucket_models(buckets: Sequence[HistoryBucket]) -> list[models.BucketModel]:
    """Return buckets; `quality` covers all values of a bucket, including suspect ones."""
    made = []
    end, end_text = INSTANT_MIN, ""
    for bucket in buckets:
        # Most buckets begin where the one before ends.
        start_text = end_text if bucket.start == end else format_instant(bucket.start)
        end, end_text = bucket.end, format_instant(bucket.end)
        made.append(
            models.BucketModel(
                start=start_text,
                end=end_text,
                count=bucket.count,
                suspect=bucket.suspect,
                coverage=bucket.coverage,
                quality=quality_word(bucket.flags) if bucket.count or bucket.suspect else None,
                percentile_error=UNSET if bucket.percentile_error is None else bucket.percentile_error,
                **{name: value for name, value in bucket.values.items() if name != "count"},
            )
        )
    return made
