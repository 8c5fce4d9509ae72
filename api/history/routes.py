"""The history of a property, an indicator or a roll-up: single values, or buckets of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.entities.routes import lookup_entity
from api.history.readings import (
    ReadingsQuery,
    observation_document,
    published_value_document,
    read_observation_page,
    read_published_page,
    requested_interval,
)
from api.history.series import (
    BucketQuery,
    ValueSeries,
    known_at_problem,
    lookup_name,
    read_buckets,
    read_series,
)
from api.http import openapi_examples
from api.http.access import Role, may_see_datastream, role_of
from api.http.parameters import HistoryParameters
from api.http.problems import ProblemError, RequestFault, bad_request
from api.http.responses import json_response, page_links
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName, HistoryBucket
from storage.history.buckets import BUCKETS_MAX
from twin.instant import INSTANT_MIN, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.names import ValueName
from twin.quality.quality_flags import quality_word

router = APIRouter(prefix="/v1", tags=["entities"])

_AGGREGATES: tuple[AggregateName, ...] = ("mean", "min", "max")


@router.get("/entities/{id}/history", summary="The history of a value", responses=openapi_examples.HISTORY)
async def get_history(request: Request, id: str, wanted: Annotated[HistoryParameters, Query()]) -> Response:
    """Return single values, oldest first, or one bucket for each `interval`.

    What households' meters measure is answered from published sums, for everybody alike; only the role
    metering reads single readings. `source` tells which of the two was asked.
    """
    role = role_of(request)
    context = context_of(request)
    entity = lookup_entity(context.model, id)
    _check(wanted)
    what = lookup_name(wanted.property, context.model)
    start, end = requested_interval(wanted.start, wanted.end, context.clock())
    interval = BucketInterval.parse(wanted.interval) if wanted.interval else None
    if interval is None:
        _check_role(entity.id, what, context.model, role)
    else:
        _check_interval(interval, start, end)
    async with context.database.connection() as connection:
        series = await read_series(connection, entity.id, what)
    document: dict[str, Any] = {"entityId": entity.id, "property": what.name, "unit": what.unit}
    if wanted.known_at is not None:
        document["knownAt"] = format_instant(wanted.known_at_instant or 0)
    following = None
    if interval is None:
        page = ReadingsQuery(start, end, wanted.limit, wanted.cursor, wanted.known_at_instant)
        single, following = await _single(context, series, page, role)
        document |= single
    else:
        asked = BucketQuery(
            start,
            end,
            interval,
            wanted.aggregate or _AGGREGATES,
            wanted.timezone or context.model.city.timezone,
            wanted.fill or "none",
            wanted.known_at_instant,
        )
        async with context.database.connection() as connection:
            found = await read_buckets(connection, series, asked, context.model)
        document["source"] = "published" if series.published else "observations"
        document["interval"] = wanted.interval
        document["buckets"] = list(bucket_documents(found))
    return json_response({**document, "_links": page_links(request, following)})


def _check(wanted: HistoryParameters) -> None:
    """Raise a problem with everything that does not go together."""
    faults = []
    of_buckets = {"aggregate": wanted.aggregate, "timezone": wanted.timezone, "fill": wanted.fill}
    if wanted.interval is None:
        faults += [
            RequestFault("query", name, "needs-interval", f"`{name}` needs `interval`, such as interval=PT1H")
            for name, value in of_buckets.items()
            if value
        ]
    elif wanted.cursor is not None:
        faults.append(
            RequestFault("query", "cursor", "not-paged", "buckets have no pages: leave `cursor` out")
        )
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
                f"about {count} buckets, at most {BUCKETS_MAX} are told; ask for a longer interval "
                "or a shorter time",
            )
        )


async def _single(
    context: ApiContext, series: ValueSeries, page: ReadingsQuery, role: Role
) -> tuple[dict[str, Any], str | None]:
    """Return the single values of a series that a role may see, and the cursor of the next page."""
    name = series.named.name
    if not series.named.observed:
        if page.known_at is not None:
            raise known_at_problem(name)
        values, following = await read_published_page(context, series.entity, name, page)
        documents = [published_value_document(one) for one in values]
        return {"source": "published", "observations": documents}, following
    readable = series.readable(role)
    if series.personal and not readable:
        raise _personal()
    rules = context.model.properties[name].quality
    readings, following = await read_observation_page(context, readable, page, rules)
    documents = [observation_document(one, context.model) for one in readings]
    return {"source": "observations", "observations": documents}, following


def _check_role(entity: str, what: ValueName, model: CityModel, role: Role) -> None:
    """Raise a problem when the model alone says that a role may see no single value."""
    known = model.datastreams_of(entity, what.name) if what.observed else ()
    if known and not any(may_see_datastream(role, one, model) for one in known):
        raise _personal()


def _personal() -> ProblemError:
    return ProblemError(
        HTTPStatus.FORBIDDEN,
        "These readings are personal data: they need an API key of the role metering. Ask with an "
        "`interval` for the sums over enough connections that are published, such as interval=PT10M.",
    )


def bucket_documents(buckets: Iterable[HistoryBucket]) -> Iterator[dict[str, Any]]:
    """Yield buckets; `quality` is that of all values of a bucket, the suspect ones too."""
    end, end_text = INSTANT_MIN, ""
    for one in buckets:
        # One begins where the one before ends, most times.
        start_text = end_text if one.start == end else format_instant(one.start)
        end, end_text = one.end, format_instant(one.end)
        quality = quality_word(one.flags) if one.count or one.suspect else None
        document: dict[str, Any] = {
            "start": start_text,
            "end": end_text,
            "count": one.count,
            "suspect": one.suspect,
            "coverage": one.coverage,
            "quality": quality,
        }
        for name, value in one.values.items():
            if name != "count":
                document[name] = value
        yield document
