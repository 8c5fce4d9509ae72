"""The page: its files, and what it needs to know to begin."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.context import context_of
from api.entities.geometry import Extent, bounding_box
from api.http.parameters import NoParameters
from api.http.responses import json_response
from twin.model.city_model import CityModel

router = APIRouter(include_in_schema=False)
unbuilt_router = APIRouter(include_in_schema=False)


@router.get("/page.json")
async def page(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Return what the page needs to draw its first map."""
    context = context_of(request)
    city = context.model.city
    box = city_bounds(context.model)
    document: dict[str, Any] = {
        "city": {
            "id": city.id,
            "name": city.name,
            "timezone": city.timezone,
            "bbox": list(box) if box is not None else None,
            "centre": [(box.west + box.east) / 2, (box.south + box.north) / 2] if box is not None else None,
        },
        "tiles": context.settings.tiles,
        "version": version("livetwin"),
    }
    return json_response(document)


def city_bounds(model: CityModel) -> Extent | None:
    """Return the box around all entities, or None when none has a geometry."""
    found = [bounding_box(one.geometry) for one in model.entities.values() if one.geometry is not None]
    boxes = [one for one in found if one is not None]
    if not boxes:
        return None
    return Extent(
        min(one.west for one in boxes),
        min(one.south for one in boxes),
        max(one.east for one in boxes),
        max(one.north for one in boxes),
    )


@unbuilt_router.get("/")
async def unbuilt(request: Request) -> Response:
    """Say that the page is missing."""
    return PlainTextResponse("The page is not built; run `make setup`. The API is at /v1/openapi.json.\n")


class PageFiles(StaticFiles):
    """The built page; browsers ask each time whether a file has changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        if scope["path"] != "/" and scope["path"].endswith("/"):
            raise HTTPException(status_code=404)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
