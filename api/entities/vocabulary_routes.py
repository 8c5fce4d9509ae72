"""Routes of what may be asked for: the names of values, and the types of entities."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.entities import answers as entity_answers
from api.entities.documents import entity_type_models, property_kind, property_model
from api.entities.schemas import PropertyParameters
from api.http.answers import answers
from api.http.pages import Page, page_links_model, render_page
from api.http.parameters import NoQuery
from api.http.problems import not_found
from api.http.responses import decode_page_cursor, first_page
from twin.model.names import all_value_names, resolve_name

router = APIRouter(prefix="/v1", tags=["vocabulary"])

PropertyPath = Annotated[str, Path(max_length=128, description="Name of the property.")]


@router.get("/properties", summary="List the properties")
@answers(entity_answers.PROPERTIES)
async def list_properties(request: Request, parameters: Annotated[PropertyParameters, Query()]) -> Response:
    """List what can have a value in the city: observed properties, indicators, roll-ups; by name."""
    model = context_of(request).model
    after = decode_page_cursor(parameters.cursor, str) or ""
    names = [
        name
        for name in sorted(all_value_names(model))
        if name.name > after
        and (not parameters.kind or property_kind(name) in parameters.kind)
        and (not parameters.theme or name.theme in parameters.theme)
    ]
    page, following = first_page(names, parameters.limit, lambda last: last.name)
    return entity_answers.PROPERTIES.response(
        render_page(
            request, page, lambda name: property_model(name, model), lambda last: last.name, following
        )
    )


@router.get("/properties/{name}", summary="Get a property")
@answers(entity_answers.PROPERTY, problems=(HTTPStatus.NOT_FOUND,))
async def get_property(request: Request, name: PropertyPath, _: NoQuery) -> Response:
    """Return an observed property, an indicator or a roll-up, whether or not anything has a value of it."""
    model = context_of(request).model
    resolved = resolve_name(name, model)
    if resolved is None:
        raise not_found(f"There is no property {name!r}; /v1/properties lists them.")
    return entity_answers.PROPERTY.response(property_model(resolved, model))


@router.get("/entity-types", summary="List the types of entities")
@answers(entity_answers.ENTITY_TYPES)
async def list_entity_types(request: Request, _: NoQuery) -> Response:
    """List the types that entities of the city have, by name."""
    items = entity_type_models(context_of(request).model)
    return entity_answers.ENTITY_TYPES.response(Page(items=items, links=page_links_model(request, None)))
