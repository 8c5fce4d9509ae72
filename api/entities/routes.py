"""Entities, their state and their relations: answered from memory, whether or not the database is there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.entities.documents import (
    entity_document,
    entity_freshness,
    geojson_feature,
    relations_document,
    state_document,
)
from api.entities.geometry import distance_m
from api.entities.selection import select_entities
from api.http import openapi_examples
from api.http.access import role_of
from api.http.parameters import RADIUS_DEFAULT_M, EntityParameters, NoParameters, parse_position
from api.http.problems import RequestFault, bad_request, not_found
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response
from api.live.live_view import LiveView
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.entity import Entity

GEOJSON = "application/geo+json"

router = APIRouter(prefix="/v1", tags=["entities"])


@router.get("/entities", summary="The entities of the city", responses=openapi_examples.ENTITIES)
async def list_entities(request: Request, wanted: Annotated[EntityParameters, Query()]) -> Response:
    """List entities, ordered by id; GeoJSON for `Accept: application/geo+json`."""
    role_of(request)
    context = context_of(request)
    if wanted.radius is not None and wanted.near is None:
        raise bad_request(
            RequestFault("query", "radius", "needs-near", "`radius` needs `near=longitude,latitude`")
        )
    view, now = context.hub.view, context.clock()
    after = decode_page_cursor(wanted.cursor, str)
    found = [
        entity
        for entity in select_entities(wanted.filter(), view.model)
        if (after is None or entity.id > after) and _matches(entity, wanted, view, now)
    ]
    page = found[: wanted.limit]
    following = encode_page_cursor(page[-1].id) if len(found) > len(page) else None
    documents = [entity_document(one, view, now) for one in page]
    if not _asks_geojson(request):
        return json_response(collection_document(request, documents, following))
    features = [geojson_feature(one) for one in documents]
    links = collection_document(request, [], following)["_links"]
    return json_response({"type": "FeatureCollection", "features": features, "_links": links}, GEOJSON)


def _matches(entity: Entity, wanted: EntityParameters, view: LiveView, now: Instant) -> bool:
    if wanted.theme and not view.model.themes_of(entity.id) & set(wanted.theme):
        return False
    if wanted.q and wanted.q.casefold() not in f"{entity.id}\n{entity.name}".casefold():
        return False
    if wanted.near is not None:
        radius = wanted.radius or RADIUS_DEFAULT_M
        if entity.geometry is None or distance_m(entity.geometry, parse_position(wanted.near)) > radius:
            return False
    return not wanted.freshness or entity_freshness(entity.id, view, now) in wanted.freshness


def _asks_geojson(request: Request) -> bool:
    return GEOJSON in request.headers.get("accept", "")


def lookup_entity(model: CityModel, id: str) -> Entity:
    """Return an entity; raise a problem when there is none with that id."""
    entity = model.entities.get(id)
    if entity is None:
        raise not_found(f"There is no entity {id!r}; /v1/entities lists them.")
    return entity


@router.get("/entities/{id}", summary="One entity", responses=openapi_examples.ENTITY)
async def get_entity(request: Request, id: str, _: Annotated[NoParameters, Query()]) -> Response:
    """Return an entity; as a GeoJSON feature for `Accept: application/geo+json`."""
    role_of(request)
    context = context_of(request)
    document = entity_document(lookup_entity(context.model, id), context.hub.view, context.clock())
    return (
        json_response(geojson_feature(document), GEOJSON)
        if _asks_geojson(request)
        else json_response(document)
    )


@router.get(
    "/entities/{id}/state", summary="The present state of an entity", responses=openapi_examples.STATE
)
async def get_state(request: Request, id: str, _: Annotated[NoParameters, Query()]) -> Response:
    """Return the newest measured value of every property, and of every datastream that the asker may see."""
    role = role_of(request)
    context = context_of(request)
    entity = lookup_entity(context.model, id)
    return json_response(state_document(entity, context.hub.view, context.clock(), role))


@router.get(
    "/entities/{id}/relations", summary="What an entity is linked to", responses=openapi_examples.RELATIONS
)
async def get_relations(request: Request, id: str, _: Annotated[NoParameters, Query()]) -> Response:
    """Return the relations of an entity, outgoing and incoming, its parent and its children."""
    role_of(request)
    context = context_of(request)
    return json_response(relations_document(lookup_entity(context.model, id), context.model))
