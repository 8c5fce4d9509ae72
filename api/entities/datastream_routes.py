"""Datastreams and their single readings, as far as the asker may see them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.entities.documents import datastream_document
from api.history.readings import (
    ReadingsQuery,
    observation_document,
    read_observation_page,
    requested_interval,
)
from api.http import openapi_examples
from api.http.access import may_see_datastream, role_of
from api.http.parameters import DatastreamParameters, ObservationParameters
from api.http.problems import ProblemError, not_found
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response

router = APIRouter(prefix="/v1", tags=["datastreams"])


@router.get("/datastreams", summary="The datastreams of the city", responses=openapi_examples.DATASTREAMS)
async def list_datastreams(request: Request, wanted: Annotated[DatastreamParameters, Query()]) -> Response:
    """List the datastreams that the asker may see, ordered by id."""
    role = role_of(request)
    model = context_of(request).model
    after = decode_page_cursor(wanted.cursor, int) or 0
    found = [
        one
        for one in sorted(model.datastreams.values(), key=lambda one: one.id)
        if one.id > after
        and (not wanted.entity or one.entity in wanted.entity)
        and (not wanted.sensor or one.sensor in wanted.sensor)
        and (not wanted.property or one.property in wanted.property)
        and may_see_datastream(role, one, model)
    ]
    page = found[: wanted.limit]
    following = encode_page_cursor(page[-1].id) if len(found) > len(page) else None
    return json_response(
        collection_document(request, [datastream_document(one, model) for one in page], following)
    )


@router.get(
    "/datastreams/{id}/observations",
    summary="Readings of a datastream",
    responses=openapi_examples.OBSERVATIONS,
)
async def list_observations(
    request: Request, id: Annotated[int, Path()], wanted: Annotated[ObservationParameters, Query()]
) -> Response:
    """List observations, oldest first."""
    role = role_of(request)
    context = context_of(request)
    model = context.model
    datastream = model.datastreams.get(id)
    if datastream is None:
        raise not_found(f"There is no datastream {id}; /v1/datastreams lists them.")
    if not may_see_datastream(role, datastream, model):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "These readings are personal data: they need an API key of the role metering. Others may see "
            "sums over enough connections, in the history of the area.",
        )
    start, end = requested_interval(wanted.start, wanted.end, context.clock())
    asked = ReadingsQuery(start, end, wanted.limit, wanted.cursor, wanted.known_at_instant)
    rules = model.properties[datastream.property].quality
    page, following = await read_observation_page(context, [id], asked, rules)
    return json_response(
        collection_document(request, [observation_document(one, model) for one in page], following)
    )
