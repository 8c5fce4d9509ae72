"""Routes of the web page: its files, and the settings that it starts with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.access.issuer_documents import IssuerError
from api.access.sign_in import REFETCH_S
from api.city.documents import page_members
from api.context import context_of
from api.entities.geometry import bounding_box
from api.http.answer_parts import ANSWER_BYTES_MAX
from api.http.compression import COMPRESSED_BYTES_MIN, TEXTS, accepts_brotli, accepts_gzip, compress
from api.http.header_values import bare_media_type
from api.http.methods import FILE_METHODS
from api.http.parameters import NoQuery
from api.http.problems import not_found, unavailable
from api.http.response_headers import FRAME_ANCESTORS
from api.http.responses import Document, json_response
from cities.model.geometry import BoundingBox
from twin.model.city_model import CityModel
from twin.model.localization import display_name, unit_symbol
from twin.model.names import all_value_names

router = APIRouter(include_in_schema=False)
unbuilt_router = APIRouter(include_in_schema=False)

SIGN_IN_RETRY_S = int(REFETCH_S)
"""Until the metadata of an issuer is asked for again."""


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
        "signIn": [
            {"id": id, "name": each.page.name or id, "href": f"/sign-in/{id}.json"}
            for id, each in context.sign_ins.items()
        ],
        **_texts(context.model),
        **page_members(context.model),
        "version": version("livetwin"),
    }
    return json_response(document)


@router.get("/sign-in/{issuer}.json")
async def sign_in(request: Request, issuer: str, _: NoQuery) -> Response:
    """Return what the page needs to sign a person in at an issuer: endpoints, and itself as their client.

    Raises a problem: 404 for an issuer at which the page signs nobody in, 503 with the reason while its
    endpoints are not known.
    """
    context = context_of(request)
    found = context.sign_ins.get(issuer)
    if found is None:
        raise not_found(f"The page signs nobody in at {issuer[:40]!r}; /page.json lists where it does.")
    try:
        endpoints = await found.endpoints()
    except IssuerError as error:
        detail = f"Nobody can sign in at {found.settings.issuer}: {error}."
        raise unavailable(detail, SIGN_IN_RETRY_S) from None
    document: Document = {
        "id": found.settings.id,
        "name": found.page.name or found.settings.id,
        "issuer": found.settings.issuer,
        "clientId": found.page.client_id,
        "scopes": list(found.page.scopes),
        "resource": found.page.resource,
        # One for the whole page: an issuer compares it with what it has registered, character by character.
        "redirectUri": f"{context.settings.base_url.rstrip('/')}/",
        "authorizationEndpoint": endpoints.authorization,
        "tokenEndpoint": endpoints.token,
        "endSessionEndpoint": endpoints.end_session,
        "issInResponse": endpoints.names_itself,
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


PUBLIC_VIEWS = frozenset({"openbaar", "public"})
"""Beginnings of the paths of the public view, which pages of some origins may embed."""

VIEWS = PUBLIC_VIEWS | {
    *("accessibility", "alarms", "areas", "audit", "city", "compare", "contact", "correlations", "data"),
    *("duty", "entities", "incidents", "insights", "ledger", "maintenance", "map", "notifications"),
    *("operations", "privacy", "properties", "provenance", "quarantine", "roster", "rules", "search"),
    *("sensors", "settings", "sign-in", "signed-in", "statistics", "subscriptions", "wall"),
}
"""Beginnings of paths that the page itself resolves (history API): it is the answer to all of them."""

ENTRIES: Mapping[str, str] = MappingProxyType(
    {"duty": "duty.html", "openbaar": "openbaar.html", "public": "openbaar.html"}
)
"""The documents of the pages beside the operations room, by path."""

COMPRESSED_SUFFIXES = (".br", ".gz")
"""Of copies that the build may have put beside a file."""


class PageFiles(StaticFiles):
    """The built page. Compressed files stay in memory: a page has some twenty.

    `embedding_origins` returns the origins whose pages may embed the public view.
    """

    def __init__(self, directory: Path, embedding_origins: Callable[[], Sequence[str]] = tuple) -> None:
        super().__init__(directory=directory, html=True)
        self._compressed: dict[str, _CompressedFile] = {}
        self._embedding_origins = embedding_origins

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file; the page for the path of one of its views."""
        view = scope["path"][1:].partition("/")[0]
        if view in VIEWS and "/assets/" not in scope["path"]:
            if view in PUBLIC_VIEWS:
                scope[FRAME_ANCESTORS] = self._embedding_origins()
            if scope["path"].endswith("/"):
                return Response(status_code=308, headers={"Location": scope["path"].rstrip("/")})
            return await self._file(ENTRIES.get(view, "index.html"), scope)
        if scope["path"] != "/" and scope["path"].endswith(("/", *COMPRESSED_SUFFIXES)):
            raise HTTPException(status_code=404)
        return await self._file(path, scope)

    async def _file(self, path: str, scope: Scope) -> Response:
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
        if "range" in request or not (accepts_gzip(accepted) or accepts_brotli(accepted)):
            return response
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        known = await self._compress(str(response.path), headers["etag"])
        if known.brotli is not None and accepts_brotli(accepted):
            return Response(known.brotli, headers={**headers, "Content-Encoding": "br"})
        if not accepts_gzip(accepted):
            return response
        return Response(known.gzip, headers={**headers, "Content-Encoding": "gzip"})

    async def _compress(self, path: str, tag: str) -> _CompressedFile:
        known = self._compressed.get(path)
        if known is None or known.tag != tag:
            known = self._compressed[path] = await asyncio.to_thread(_read_compressed, Path(path), tag)
        return known


class _CompressedFile(NamedTuple):
    tag: str  #: of the file
    gzip: bytes
    brotli: bytes | None  #: only if the build made it


def _read_compressed(path: Path, tag: str) -> _CompressedFile:
    """Return a file compressed: as the build did it, unless the file has changed since."""
    brotli, gzip = (_read_copy(path, suffix) for suffix in COMPRESSED_SUFFIXES)
    return _CompressedFile(tag, gzip if gzip is not None else compress(path.read_bytes()), brotli)


def _read_copy(path: Path, suffix: str) -> bytes | None:
    copy = path.with_name(path.name + suffix)
    try:
        is_current = copy.stat().st_mtime >= path.stat().st_mtime
        return copy.read_bytes() if is_current else None
    except FileNotFoundError:
        return None


def _is_compressible(response: FileResponse) -> bool:
    size = int(response.headers["content-length"])
    media_type = bare_media_type(response.headers["content-type"])
    return COMPRESSED_BYTES_MIN <= size <= ANSWER_BYTES_MAX and media_type in TEXTS
