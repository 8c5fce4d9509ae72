"""Routes of entities, their state and their relations; served from memory, without the database."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access.authorization import rights_of
from api.context import context_of
from api.entities import answers as entity_answers
from api.entities.answers import CONTENT_CRS
from api.entities.documents import (
    entity_feature,
    entity_freshness,
    entity_model,
    relations_model,
    state_model,
)
from api.entities.geometry import distance_m
from api.entities.models import EntityFeatureCollection
from api.entities.schemas import RADIUS_DEFAULT_M, EntityParameters, parse_position
from api.entities.selection import select_entities
from api.http.answers import GEOJSON, answers
from api.http.negotiation import media_type_of
from api.http.pages import page_links_model, render_items, render_page
from api.http.parameters import NoQuery
from api.http.problems import RequestFault, bad_request, not_found
from api.http.responses import decode_page_cursor, first_page
from api.live.live_view import LiveView
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.entity import Entity

router = APIRouter(prefix="/v1", tags=["entities"])


def lookup_entity(model: CityModel, id: str) -> Entity:
    """Return an entity; raise a problem (404) for an unknown id."""
    entity = model.entities.get(id)
    if entity is None:
        raise not_found(f"There is no entity {id!r}; /v1/entities lists them.")
    return entity


@router.get("/entities", summary="List the entities of the city")
@answers(entity_answers.ENTITIES, entity_answers.ENTITIES_GEOJSON)
async def list_entities(request: Request, parameters: Annotated[EntityParameters, Query()]) -> Response:
    """List entities, ordered by id; GeoJSON for `Accept: application/geo+json`."""
    context = context_of(request)
    if parameters.radius is not None and parameters.near is None:
        raise bad_request(
            RequestFault("query", "radius", "needs-near", "`radius` needs `near=longitude,latitude`")
        )
    view, now = context.hub.view, context.clock()
    after = decode_page_cursor(parameters.cursor, str)
    entities = [
        entity
        for entity in select_entities(parameters.filter(), view.model)
        if (after is None or entity.id > after) and _matches(entity, parameters, view, now)
    ]
    page, following = first_page(entities, parameters.limit, lambda entity: entity.id)
    if media_type_of(request) != GEOJSON:
        return entity_answers.ENTITIES.response(
            render_page(request, page, lambda entity: entity_model(entity, view, now), _entity_id, following),
            CONTENT_CRS,
        )
    features, following = render_items(
        page, lambda entity: entity_feature(entity_model(entity, view, now)), _entity_id, following
    )
    return entity_answers.ENTITIES_GEOJSON.response(
        EntityFeatureCollection(features=features, links=page_links_model(request, following)), CONTENT_CRS
    )


def _entity_id(entity: Entity) -> str:
    return entity.id


def _matches(entity: Entity, parameters: EntityParameters, view: LiveView, now: Instant) -> bool:
    if parameters.theme and not view.model.themes_of(entity.id) & set(parameters.theme):
        return False
    if parameters.q and parameters.q.casefold() not in f"{entity.id}\n{entity.name}".casefold():
        return False
    if parameters.near is not None:
        radius = parameters.radius or RADIUS_DEFAULT_M
        if entity.geometry is None or distance_m(entity.geometry, parse_position(parameters.near)) > radius:
            return False
    return not parameters.freshness or entity_freshness(entity.id, view, now) in parameters.freshness


@router.get("/entities/{id}", summary="Get an entity")
@answers(entity_answers.ENTITY, entity_answers.ENTITY_GEOJSON, problems=(HTTPStatus.NOT_FOUND,))
async def get_entity(request: Request, id: str, _: NoQuery) -> Response:
    """Return an entity; as a GeoJSON feature for `Accept: application/geo+json`."""
    context = context_of(request)
    entity = entity_model(lookup_entity(context.model, id), context.hub.view, context.clock())
    if media_type_of(request) == GEOJSON:
        return entity_answers.ENTITY_GEOJSON.response(entity_feature(entity), CONTENT_CRS)
    return entity_answers.ENTITY.response(entity, CONTENT_CRS)


@router.get("/entities/{id}/state", summary="Get the present state of an entity")
@answers(entity_answers.STATE, problems=(HTTPStatus.NOT_FOUND,))
async def get_state(request: Request, id: str, _: NoQuery) -> Response:
    """Return the newest value of every property, and of every datastream that the principal may see."""
    rights = rights_of(request)
    context = context_of(request)
    entity = lookup_entity(context.model, id)
    return entity_answers.STATE.response(state_model(entity, context.hub.view, context.clock(), rights))


@router.get("/entities/{id}/relations", summary="Get the relations of an entity")
@answers(entity_answers.RELATIONS, problems=(HTTPStatus.NOT_FOUND,))
async def get_relations(request: Request, id: str, _: NoQuery) -> Response:
    """Return the relations of an entity, outgoing and incoming, its parent and its children."""
    context = context_of(request)
    return entity_answers.RELATIONS.response(relations_model(lookup_entity(context.model, id), context.model))
