"""Route of the lineage of a value: from the value back to the messages that it was made of."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.access.authorization import rights_of
from api.context import context_of
from api.entities.known_names import known
from api.entities.routes import lookup_entity
from api.history.series import lookup_name
from api.http.answers import answers
from api.http.pages import page_links_model
from api.http.parameters import Parameters, TimeText, parse_time
from api.http.problems import RequestFault, bad_request
from api.lineage import answers as lineage_answers
from api.lineage.derived_lineage import trace_value
from api.lineage.value_lineage import LineageContext, LineageTime
from twin.instant import DAY, Duration

router = APIRouter(prefix="/v1", tags=["entities"])

RANGE_MAX: Duration = 366 * DAY


class ProvenanceParameters(Parameters):
    """Which value, at which time or in which range."""

    property: Annotated[str, known("value")] = Field(
        description="Observed property, indicator (`lki`), or roll-up over the area (`area_pm2_5`)."
    )
    time: TimeText | None = Field(default=None, description="The value at this time; now by default.")
    start: TimeText | None = Field(default=None, description="The values from here on, with `end`.")
    end: TimeText | None = Field(default=None, description="Exclusive.")


@router.get("/entities/{id}/provenance", summary="Get the lineage of a value")
@answers(lineage_answers.PROVENANCE, problems=(HTTPStatus.NOT_FOUND,))
async def get_provenance(
    request: Request, id: str, parameters: Annotated[ProvenanceParameters, Query()]
) -> Response:
    """Return the observations behind a value with their calibration, decoder, topic and raw payload.

    For an indicator its inputs, for a roll-up its entities, each with a link one level further down.
    """
    api = context_of(request)
    entity = lookup_entity(api.model, id)
    name = lookup_name(parameters.property, api.model)
    time = _lineage_time(parameters)
    async with api.database.connection() as connection:
        context = LineageContext(api, connection, rights_of(request), page_links_model(request, None))
        return lineage_answers.PROVENANCE.response(await trace_value(context, entity.id, name, time))


def _lineage_time(parameters: ProvenanceParameters) -> LineageTime:
    if (parameters.start is None) != (parameters.end is None):
        missing = "start" if parameters.start is None else "end"
        raise bad_request(RequestFault("query", missing, "missing", "`start` and `end` go together"))
    if parameters.start is None or parameters.end is None:
        return LineageTime(parse_time(parameters.time) if parameters.time else None)
    if parameters.time is not None:
        raise bad_request(
            RequestFault("query", "time", "either", "give `time`, or `start` and `end`, not both")
        )
    start, end = parse_time(parameters.start), parse_time(parameters.end)
    if not start < end <= start + RANGE_MAX:
        raise bad_request(
            RequestFault("query", "end", "range", "expected an `end` after `start`, at most 366 days later")
        )
    return LineageTime(None, start, end)
