"""Routes of insights: correlations of two values, and the liveability card of an area."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.entities.routes import lookup_entity
from api.history.series import hourly_means, lookup_name, read_series
from api.http.answers import answers
from api.http.pages import page_links_model
from api.http.parameters import NoQuery, Parameters, TimeText, instant_or
from api.http.problems import RequestFault, bad_request, not_found, unavailable
from api.insights import answers as insight_answers
from api.insights.liveability import liveability_model
from api.insights.models import ConfidenceInterval, CorrelatedValue, CorrelationModel, LagCorrelationModel
from twin.indicators.correlation import CONFIDENCE, LAG_MAX, LagCorrelation, Method, correlate
from twin.instant import DAY, HOUR, Duration, Instant, format_instant
from twin.model.entity import AREA_TYPES
from twin.model.names import ValueName

router = APIRouter(prefix="/v1", tags=["insights"])

RANGE_MAX: Duration = 366 * DAY
RETRY_AFTER_S = 2
_RANGE_DEFAULT: Duration = 30 * DAY


class CorrelationParameters(Parameters):
    """Which two values, over which hours."""

    entity: str | None = Field(default=None, description="Id of the entity that `x` and `y` are of.")
    x: str = Field(description="Property, indicator or roll-up; `entity:name` for another entity.")
    y: str = Field(description="As `x`.")
    start: TimeText | None = Field(default=None, description="Inclusive; 30 days before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default. At most 366 days.")
    lag: Annotated[int, Field(ge=0, le=LAG_MAX, description="Largest lag in hours, in both directions.")] = 0
    method: Method = "pearson"


@router.get("/insights/correlations", summary="Correlate two values")
@answers(insight_answers.CORRELATIONS, problems=(HTTPStatus.NOT_FOUND,))
async def get_correlations(
    request: Request, parameters: Annotated[CorrelationParameters, Query()]
) -> Response:
    """Correlate the hourly means of two values, at lags of up to `lag` hours in both directions.

    A positive lag means that y follows x. `pairs` counts the hours that both have; `effectivePairs` is the
    equivalent number of independent pairs, from which the interval is computed. A correlation is a reason to
    investigate, not a proof of a cause.
    """
    context = context_of(request)
    x, y = _parse_operand("x", parameters, context), _parse_operand("y", parameters, context)
    start, end = _requested_hours(parameters, context.clock())
    if context.correlation_slots.locked():
        raise unavailable("The limit of concurrent correlations is reached; try again later.", RETRY_AFTER_S)
    async with context.correlation_slots:
        async with context.database.connection() as connection:
            means = [
                await hourly_means(
                    connection, await read_series(connection, entity, value), start, end, context.model
                )
                for entity, value in (x, y)
            ]
        correlation = await asyncio.to_thread(
            correlate, means[0], means[1], parameters.method, parameters.lag
        )
    best = correlation.best
    return insight_answers.CORRELATIONS.response(
        CorrelationModel(
            x=_correlated_value(*x, hours=len(means[0])),
            y=_correlated_value(*y, hours=len(means[1])),
            start=format_instant(start),
            end=format_instant(end),
            method=correlation.method,
            confidence=CONFIDENCE,
            best=_lag(best) if best is not None else None,
            significant=correlation.significant,
            lags=[_lag(lag) for lag in correlation.lags],
            links=page_links_model(request, None),
        )
    )


def _parse_operand(
    name: str, parameters: CorrelationParameters, context: ApiContext
) -> tuple[str, ValueName]:
    """Return the entity and the value that the parameter `x` or `y` names."""
    text: str = getattr(parameters, name)
    entity, separator, value = text.rpartition(":")
    if not separator:
        if parameters.entity is None:
            detail = f"found {text!r} without an entity: give `entity`, or write entity:{text}"
            raise bad_request(RequestFault("query", name, "needs-entity", detail))
        entity = parameters.entity
    return lookup_entity(context.model, entity).id, lookup_name(value, context.model, name)


def _requested_hours(parameters: CorrelationParameters, now: Instant) -> tuple[Instant, Instant]:
    """Return the requested interval without its incomplete hours, which have no mean of their own."""
    end = instant_or(parameters.end, now)
    start = instant_or(parameters.start, end - _RANGE_DEFAULT)
    start, end = start + -start % HOUR, end - end % HOUR
    if not start < end <= start + RANGE_MAX:
        detail = "expected a `start` at least one whole hour before `end`, at most 366 days"
        raise bad_request(RequestFault("query", "start", "range", detail))
    return start, end


def _correlated_value(entity: str, value: ValueName, *, hours: int) -> CorrelatedValue:
    return CorrelatedValue(entity_id=entity, property=value.name, unit=value.unit, hours=hours)


def _lag(lag: LagCorrelation) -> LagCorrelationModel:
    return LagCorrelationModel(
        lag=lag.lag,
        coefficient=lag.coefficient,
        pairs=lag.pairs,
        effective_pairs=lag.effective_pairs,
        interval=ConfidenceInterval(low=lag.low, high=lag.high),
    )


@router.get("/entities/{id}/liveability", summary="Get the liveability card of an area")
@answers(insight_answers.LIVEABILITY, problems=(HTTPStatus.NOT_FOUND,))
async def get_liveability(request: Request, id: str, _: NoQuery) -> Response:
    """Return the scores of a neighbourhood, district or city by domain; there is deliberately no total.

    A suspect or silent value, or one under maintenance, has no score.
    """
    context = context_of(request)
    entity = lookup_entity(context.model, id)
    if entity.type not in AREA_TYPES:
        raise not_found(
            f"{id!r} is a {entity.type}; {', '.join(sorted(AREA_TYPES))} have a liveability card."
        )
    return insight_answers.LIVEABILITY.response(liveability_model(entity, context.hub.view, context.clock()))
