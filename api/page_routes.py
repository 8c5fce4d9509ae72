"""Routes of the web page: its files, and the settings that it starts with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.context import context_of
from api.entities.geometry import bounding_box
from api.http.answer_parts import ANSWER_BYTES_MAX
from api.http.compression import COMPRESSED_BYTES_MIN, TEXTS, accepts_brotli, accepts_gzip, compress
from api.http.header_values import bare_media_type
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
    """Return the labels of all values except roll-ups, and the symbols of their units."""
    names = [each for each in all_value_names(model) if not each.rolled_up]
    return {
        "names": {
            each.name: {"en": display_name(each.name, "en"), "nl": display_name(each.name, "nl")}
            for each in names
        },
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


IMMUTABLE = "public, max-age=31536000, immutable"
"""Of a file whose name has the hash of its content; browsers revalidate the others each time."""

# As Vite names them.
_HASHED_NAME = re.compile(r"/assets/[^/]+-[A-Za-z0-9_-]{8}\.\w+")


ENTRIES: Mapping[str, str] = MappingProxyType(
    {"duty": "duty.html", "openbaar": "openbaar.html", "public": "openbaar.html"}
)
"""The documents of the pages beside the operations room, by path."""


class PageFiles(StaticFiles):
    """The built page. Compressed files stay in memory: a page has some fifty.

    The build writes them beside the files, as `.br` and `.gz`; only a file without one is compressed here.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, html=True)
        self._compressed: dict[str, _CompressedFile] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        if scope["path"] != "/" and scope["path"].endswith(("/", *_SUFFIXES.values())):
            raise HTTPException(status_code=404)
        path = ENTRIES.get(path, path)
        if scope["method"] not in ("GET", "HEAD"):
            # Raises 404 for a file that is not there.
            await super().get_response(path, {**scope, "method": "HEAD"})
            if scope["method"] == "OPTIONS":
                return Response(status_code=204, headers={"Allow": FILE_METHODS})
            raise HTTPException(status_code=405)
        response = await super().get_response(path, scope)
        hashed = _HASHED_NAME.fullmatch(scope["path"]) is not None
        response.headers["Cache-Control"] = IMMUTABLE if hashed else "no-cache"
        # Weak: the same for the file as it is and compressed.
        response.headers["ETag"] = f"W/{response.headers['etag']}"
        if not isinstance(response, FileResponse) or not _is_compressible(response):
            return response
        response.headers.add_vary_header("Accept-Encoding")
        request = Headers(scope=scope)
        accepted = ", ".join(request.getlist("accept-encoding"))
        if "range" in request:
            return response
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        for coding in _codings(accepted):
            body = await self._compress(Path(response.path), coding, headers["etag"])
            if body is not None:
                return Response(body, headers={**headers, "Content-Encoding": coding})
        return response

    async def _compress(self, path: Path, coding: _Coding, tag: str) -> bytes | None:
        """Return the compressed file; None with Brotli where the build wrote none."""
        built = Path(f"{path}{_SUFFIXES[coding]}")
        known = self._compressed.get(str(built))
        if known is None or known.tag != tag:
            body = await asyncio.to_thread(_compressed, path, built, coding)
            known = self._compressed[str(built)] = _CompressedFile(tag, body)
        return known.body


_Coding: TypeAlias = Literal["br", "gzip"]

_SUFFIXES: Mapping[_Coding, str] = MappingProxyType({"br": ".br", "gzip": ".gz"})
"""Of the files that the build writes, as Content-Encoding has them; the shortest first."""


def _codings(accept_encoding: str) -> Iterator[_Coding]:
    if accepts_brotli(accept_encoding):
        yield "br"
    if accepts_gzip(accept_encoding):
        yield "gzip"


def _compressed(path: Path, built: Path, coding: _Coding) -> bytes | None:
    if built.is_file():
        return built.read_bytes()
    return compress(path.read_bytes()) if coding == "gzip" else None


class _CompressedFile(NamedTuple):
    tag: str  #: of the file
    body: bytes | None  #: None if there is none


def _is_compressible(response: FileResponse) -> bool:
    size = int(response.headers["content-length"])
    media_type = bare_media_type(response.headers["content-type"])
    return COMPRESSED_BYTES_MIN <= size <= ANSWER_BYTES_MAX and media_type in TEXTS
