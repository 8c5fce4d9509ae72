"""Route of what is computed again from stored observations: for an operator who changed the model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.history import answers as history_answers
from api.history.models import RecomputeModel
from api.http.answers import answers
from api.http.pages import Page, page_links_model
from api.http.parameters import LIMIT_DEFAULT, PageLimit, Parameters
from api.http.responses import format_optional_instant
from storage.stores.recomputes import RecomputeProgress, read_recomputes
from twin.instant import format_instant

router = APIRouter(prefix="/v1", tags=["history"])


class RecomputeParameters(Parameters):
    """How many changes, newest first."""

    limit: PageLimit = LIMIT_DEFAULT


@router.get("/recomputes", summary="List what is computed again")
@answers(history_answers.RECOMPUTES)
async def list_recomputes(request: Request, parameters: Annotated[RecomputeParameters, Query()]) -> Response:
    """List changes of calibrations, maintenance, quality rules and intervals, and how far history follows.

    Verdicts and aggregates of stored observations are computed again in the background, sensor by sensor; a
    restart continues where it was.
    """
    async with context_of(request).database.connection() as connection:
        found = await read_recomputes(connection, parameters.limit)
    return history_answers.RECOMPUTES.response(
        Page(items=[_recompute(one) for one in found], links=page_links_model(request, None))
    )


def _recompute(one: RecomputeProgress) -> RecomputeModel:
    return RecomputeModel(
        requested_time=format_instant(one.requested_at),
        reason=one.reason,
        property=one.property or None,
        sensors=one.sensors,
        finished_sensors=one.finished,
        progress=round(one.share, 4),
        finished_time=format_optional_instant(one.finished_at),
    )
