"""Insights: how values of an area go together, and how its domains stand side by side."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.entities.routes import lookup_entity
from api.history.series import hourly_means, lookup_name, read_series
from api.http.access import role_of
from api.http.parameters import NoParameters, Parameters, TimeText, parse_time
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import json_response, page_links
from api.insights import examples
from api.insights.liveability import liveability_document
from twin.indicators.correlation import CONFIDENCE, LAG_MAX, Correlation, LagCorrelation, Method, correlate
from twin.instant import DAY, HOUR, Duration, Instant, format_instant
from twin.model.entity import AREA_TYPES
from twin.model.names import ValueName

router = APIRouter(prefix="/v1", tags=["insights"])

RANGE_MAX: Duration = 366 * DAY
_RANGE_USUAL: Duration = 30 * DAY


class CorrelationParameters(Parameters):
    """Which two values, over which hours."""

    entity: str | None = Field(default=None, description="Id of the entity that `x` and `y` are of.")
    x: str = Field(description="Property, indicator or roll-up; `entity:name` for another entity.")
    y: str = Field(description="As `x`.")
    start: TimeText | None = Field(default=None, description="Inclusive; 30 days before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default. At most 366 days.")
    lag: Annotated[int, Field(ge=0, le=LAG_MAX, description="Largest lag in hours, in both directions.")] = 0
    method: Method = "pearson"


@router.get("/insights/correlations", summary="How two values go together", responses=examples.CORRELATIONS)
async def get_correlations(request: Request, wanted: Annotated[CorrelationParameters, Query()]) -> Response:
    """Correlate the hourly means of two values, at lags of up to `lag` hours either way.

    A positive lag means that y follows x. `pairs` are the hours that both have, `effectivePairs` how many
    independent ones they are worth; the interval counts with these. A correlation is a reason to look, not
    a cause.
    """
    role_of(request)
    context = context_of(request)
    x, y = (_side(name, wanted, context) for name in ("x", "y"))
    start, end = _span(wanted, context.clock())
    if context.correlation_slots.locked():
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "As many correlations as may be are under way; try again in a moment.",
            headers={"Retry-After": "2"},
        )
    async with context.correlation_slots:
        async with context.database.connection() as connection:
            means = [
                await hourly_means(
                    connection, await read_series(connection, entity, what), start, end, context.model
                )
                for entity, what in (x, y)
            ]
        found = await asyncio.to_thread(correlate, means[0], means[1], wanted.method, wanted.lag)
    return json_response(
        {
            "x": _named(*x, hours=len(means[0])),
            "y": _named(*y, hours=len(means[1])),
            "start": format_instant(start),
            "end": format_instant(end),
            **_correlation(found),
            "_links": page_links(request, None),
        }
    )


def _side(name: str, wanted: CorrelationParameters, context: ApiContext) -> tuple[str, ValueName]:
    """Return entity and value that `x` or `y` names."""
    text: str = getattr(wanted, name)
    entity, separator, value = text.rpartition(":")
    if not separator:
        if wanted.entity is None:
            detail = f"whose {text!r}? Give `entity`, or write entity:{text}"
            raise bad_request(RequestFault("query", name, "needs-entity", detail))
        entity = wanted.entity
    return lookup_entity(context.model, entity).id, lookup_name(value, context.model, name)


def _span(wanted: CorrelationParameters, now: Instant) -> tuple[Instant, Instant]:
    """Return the asked time in whole hours: an hour that is half asked for has no mean of its own."""
    end = parse_time(wanted.end) if wanted.end else now
    start = parse_time(wanted.start) if wanted.start else end - _RANGE_USUAL
    start, end = start + -start % HOUR, end - end % HOUR
    if not start < end <= start + RANGE_MAX:
        detail = "expected a `start` at least one whole hour before `end`, at most 366 days"
        raise bad_request(RequestFault("query", "start", "range", detail))
    return start, end


def _named(entity: str, what: ValueName, *, hours: int) -> dict[str, Any]:
    return {"entityId": entity, "property": what.name, "unit": what.unit, "hours": hours}


def _correlation(found: Correlation) -> dict[str, Any]:
    return {
        "method": found.method,
        "confidence": CONFIDENCE,
        "best": _lag(found.best) if found.best is not None else None,
        "significant": found.significant,
        "lags": [_lag(one) for one in found.lags],
    }


def _lag(one: LagCorrelation) -> dict[str, Any]:
    return {
        "lag": one.lag,
        "coefficient": one.coefficient,
        "pairs": one.pairs,
        "effectivePairs": one.effective_pairs,
        "interval": {"low": one.low, "high": one.high},
    }


@router.get(
    "/entities/{id}/liveability",
    summary="The liveability card of an area",
    responses=examples.LIVEABILITY,
)
async def get_liveability(request: Request, id: str, _: Annotated[NoParameters, Query()]) -> Response:
    """Return the domains of a neighbourhood, district or city side by side; there is no total, on purpose.

    A value that is suspect, under maintenance or silent gives no score.
    """
    role_of(request)
    context = context_of(request)
    entity = lookup_entity(context.model, id)
    if entity.type not in AREA_TYPES:
        raise not_found(
            f"{id!r} is a {entity.type}; {', '.join(sorted(AREA_TYPES))} have a liveability card."
        )
    return json_response(liveability_document(entity, context.hub.view, context.clock()))
