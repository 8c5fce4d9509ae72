"""The history of a property: single readings, or buckets of time."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import examples
from api.access import Role, may_see, role_of
from api.context import Context, context_of
from api.paging import answer, links
from api.parameters import HistoryParameters
from api.problems import Fault, ProblemError, bad_request
from api.readings import interval_asked, page_of_readings, reading_document
from api.routes.entities import entity_named
from storage.bucket_interval import BucketInterval
from storage.history import BUCKETS_MAX, Aggregate, Bucket, buckets, datastream_ids
from twin.instant import MINUTE, Duration, Instant, format_instant
from twin.model import CityModel
from twin.observed_property import ObservedProperty
from twin.quality import quality_word

router = APIRouter(prefix="/v1", tags=["entities"])

_AGGREGATES: tuple[Aggregate, ...] = ("mean", "min", "max")

# Shorter buckets of a household's meter would be its single readings by another name. A quarter of an hour is
# what grid operators settle by.
PERSONAL_INTERVAL_MIN: Duration = 15 * MINUTE


@router.get("/entities/{id}/history", summary="The history of a property", responses=examples.HISTORY)
async def get_history(request: Request, id: str, wanted: Annotated[HistoryParameters, Query()]) -> Response:
    """Return single readings, oldest first, or one bucket for each `interval`."""
    role = role_of(request)
    context = context_of(request)
    entity = entity_named(context.model, id)
    observed = _observed(wanted, context.model)
    start, end = interval_asked(wanted.start, wanted.end, context.clock())
    document: dict[str, Any] = {"entityId": entity.id, "property": observed.name, "unit": observed.unit}
    if wanted.interval is None:
        allowed = _allowed(entity.id, observed.name, context.model, role)
        page, following = await page_of_readings(
            context, allowed, start, end, limit=wanted.limit, cursor=wanted.cursor
        )
        document["observations"] = [reading_document(one, context.model) for one in page]
    else:
        interval = BucketInterval.parse(wanted.interval)
        if interval.shortest < PERSONAL_INTERVAL_MIN:
            _allowed(entity.id, observed.name, context.model, role)
        _check_interval(interval, start, end)
        found = await _buckets(context, entity.id, observed, wanted, (start, end))
        document["interval"] = wanted.interval
        document["buckets"] = [_bucket(one) for one in found]
        following = None
    return answer({**document, "_links": links(request, following)})


def _observed(wanted: HistoryParameters, model: CityModel) -> ObservedProperty:
    """Return the property asked for; raise a problem with everything that does not go together."""
    faults = []
    observed = model.properties.get(wanted.property)
    if observed is None:
        faults.append(
            Fault("query", "property", "unknown", f"{wanted.property!r} is no observed property of the city")
        )
    of_buckets = {"aggregate": wanted.aggregate, "timezone": wanted.timezone, "fill": wanted.fill}
    if wanted.interval is None:
        faults += [
            Fault("query", name, "needs-interval", f"`{name}` needs `interval`, such as interval=PT1H")
            for name, value in of_buckets.items()
            if value
        ]
    elif wanted.cursor is not None:
        faults.append(Fault("query", "cursor", "not-paged", "buckets have no pages: leave `cursor` out"))
    if faults or observed is None:
        raise bad_request(*faults)
    return observed


def _check_interval(interval: BucketInterval, start: Instant, end: Instant) -> None:
    count = interval.count_max(start, end)
    if count > BUCKETS_MAX:
        raise bad_request(
            Fault(
                "query",
                "interval",
                "too-many",
                f"about {count} buckets, at most {BUCKETS_MAX} are told; ask for a longer interval "
                "or a shorter time",
            )
        )


def _allowed(entity: str, property: str, model: CityModel, role: Role) -> list[int]:
    """Return the datastreams whose single readings may be seen; raise a problem when all are personal."""
    known = model.datastreams_of(entity, property)
    allowed = [one.id for one in known if may_see(role, one, model)]
    if known and not allowed:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "These readings are personal data: ask with an API key, or with an `interval` of at least "
            f"PT{PERSONAL_INTERVAL_MIN // MINUTE}M.",
        )
    return allowed


async def _buckets(
    context: Context,
    entity: str,
    observed: ObservedProperty,
    wanted: HistoryParameters,
    span: tuple[Instant, Instant],
) -> list[Bucket]:
    assert wanted.interval is not None  # noqa: S101 - the caller has looked
    async with context.database.connection() as connection:
        return await buckets(
            connection,
            await datastream_ids(connection, entity, observed.name),
            *span,
            BucketInterval.parse(wanted.interval),
            wanted.aggregate or _AGGREGATES,
            wanted.timezone or context.model.city.timezone,
            combination=observed.combination,
            fill=wanted.fill or "none",
        )


def _bucket(bucket: Bucket) -> dict[str, Any]:
    return {
        "start": format_instant(bucket.start),
        "end": format_instant(bucket.end),
        "count": bucket.count,
        "coverage": bucket.coverage,
        "quality": quality_word(bucket.flags) if bucket.count else None,
        **{name: value for name, value in bucket.values.items() if name != "count"},
    }
