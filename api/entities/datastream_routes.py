"""Routes of datastreams and their single readings, as far as a principal may see them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.access.authorization import may_see_datastream, rights_of
from api.access.rights import Rights
from api.context import context_of
from api.entities import answers as entity_answers
from api.entities.documents import datastream_model
from api.entities.schemas import DatastreamParameters
from api.history.models import ObservationPage
from api.history.readings import (
    ReadingsQuery,
    newest_start,
    observation_model,
    read_observation_page,
    requested_interval,
)
from api.history.schemas import ObservationParameters
from api.http.answers import answers
from api.http.pages import page_links_model, render_page
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, not_found
from api.http.responses import decode_page_cursor, first_page
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.sensor import Datastream

router = APIRouter(prefix="/v1", tags=["datastreams"])


@router.get("/datastreams", summary="List the datastreams of the city")
@answers(entity_answers.DATASTREAMS)
async def list_datastreams(
    request: Request, parameters: Annotated[DatastreamParameters, Query()]
) -> Response:
    """List the datastreams that the principal may see, ordered by id."""
    rights = rights_of(request)
    model = context_of(request).model
    after = decode_page_cursor(parameters.cursor, int) or 0
    datastreams = [
        datastream
        for datastream in sorted(model.datastreams.values(), key=lambda datastream: datastream.id)
        if datastream.id > after
        and (not parameters.entity or datastream.entity in parameters.entity)
        and (not parameters.sensor or datastream.sensor in parameters.sensor)
        and (not parameters.property or datastream.property in parameters.property)
        and may_see_datastream(rights, datastream, model)
    ]
    page, following = first_page(datastreams, parameters.limit, lambda datastream: datastream.id)
    return entity_answers.DATASTREAMS.response(
        render_page(
            request,
            page,
            lambda datastream: datastream_model(datastream, model),
            lambda last: last.id,
            following,
        )
    )


def lookup_datastream(model: CityModel, id: int, rights: Rights) -> Datastream:
    """Return a datastream; raise a problem: 404 for an unknown id, 403 if the principal may not see it."""
    datastream = model.datastreams.get(id)
    if datastream is None:
        raise not_found(f"There is no datastream {id}; /v1/datastreams lists them.")
    if not may_see_datastream(rights, datastream, model):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "These readings are personal data: they need an API key of the role metering. The history of the "
            "area has sums over enough connections for every role.",
        )
    return datastream


@router.get("/datastreams/{id}", summary="Get a datastream")
@answers(entity_answers.DATASTREAM, problems=(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND))
async def get_datastream(request: Request, id: Annotated[int, Path()], _: NoQuery) -> Response:
    """Return a datastream: its sensor, entity and property, and how often it reports."""
    model = context_of(request).model
    datastream = lookup_datastream(model, id, rights_of(request))
    return entity_answers.DATASTREAM.response(datastream_model(datastream, model))


@router.get("/datastreams/{id}/observations", summary="List the readings of a datastream")
@answers(entity_answers.OBSERVATIONS, problems=(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND))
async def list_observations(
    request: Request, id: Annotated[int, Path()], parameters: Annotated[ObservationParameters, Query()]
) -> Response:
    """List observations, oldest first. `start` and `end` of the answer are the time that it covers.

    Without `start`, that is the 24 hours up to the newest observation before `end`, however old it is.
    """
    context = context_of(request)
    model = context.model
    datastream = lookup_datastream(model, id, rights_of(request))
    start, end = requested_interval(parameters.start, parameters.end, context.clock())
    query = ReadingsQuery(start, end, parameters.limit, parameters.cursor, parameters.known_at_instant)
    if parameters.start is None:
        query = query._replace(start=await newest_start(context, id, query))
    rules = model.properties[datastream.property].quality
    page, following = await read_observation_page(context, [id], query, rules)
    if model.policy_of(datastream).personal:
        rights_of(request).read_households.add(datastream.entity)
    return entity_answers.OBSERVATIONS.response(
        ObservationPage(
            start=format_instant(query.start),
            end=format_instant(query.end),
            items=[observation_model(observation, model) for observation in page],
            links=page_links_model(request, following),
        )
    )
