"""Routes of the web page: its files, and the settings that it starts with."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.context import context_of
from api.entities.geometry import bounding_box
from api.http.methods import FILE_METHODS
from api.http.parameters import NoQuery
from api.http.responses import Document, json_response
from cities.model.geometry import BoundingBox
from twin.model.city_model import CityModel
from twin.model.localization import display_name, unit_symbol
from twin.model.names import all_value_names

router = APIRouter(include_in_schema=False)
unbuilt_router = APIRouter(include_in_schema=False)


@router.get("/page.json")
async def page(request: Request, _: NoQuery) -> Response:
    """Return the settings with which the page draws its first map."""
    context = context_of(request)
    city = context.model.city
    box = city_bounds(context.model)
    document: Document = {
        "city": {
            "id": city.id,
            "name": city.name,
            "timezone": city.timezone,
            "bbox": list(box) if box is not None else None,
            "centre": [(box.west + box.east) / 2, (box.south + box.north) / 2] if box is not None else None,
        },
        "tiles": context.settings.tiles,
        **_texts(context.model),
        "version": version("livetwin"),
    }
    return json_response(document)


def _texts(model: CityModel) -> Document:
    """Return the English labels of all values except roll-ups, and the symbols of their units."""
    names = [each for each in all_value_names(model) if not each.rolled_up]
    return {
        "names": {each.name: display_name(each.name, "en") for each in names},
        "unitSymbols": {each.unit: unit_symbol(each.unit) for each in names},
    }


def city_bounds(model: CityModel) -> BoundingBox | None:
    """Return the box around all entities, or None when none has a geometry."""
    geometries = [entity.geometry for entity in model.entities.values() if entity.geometry is not None]
    boxes = [box for geometry in geometries if (box := bounding_box(geometry)) is not None]
    if not boxes:
        return None
    return BoundingBox(
        min(box.west for box in boxes),
        min(box.south for box in boxes),
        max(box.east for box in boxes),
        max(box.north for box in boxes),
    )


@unbuilt_router.get("/")
async def unbuilt(request: Request) -> Response:
    """Return the note that the page is not built."""
    return PlainTextResponse("The page is not built; run `make setup`. The API is at /v1/openapi.json.\n")


class PageFiles(StaticFiles):
    """The built page; browsers revalidate a file each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        if scope["path"] != "/" and scope["path"].endswith("/"):
            raise HTTPException(status_code=404)
        if scope["method"] not in ("GET", "HEAD"):
            # Raises 404 for a file that is not there.
            await super().get_response(path, {**scope, "method": "HEAD"})
            if scope["method"] == "OPTIONS":
                return Response(status_code=204, headers={"Allow": FILE_METHODS})
            raise HTTPException(status_code=405)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
