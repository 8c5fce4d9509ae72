"""Routes of the city: what it is, its folder as an archive, and the files of its page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import IO, Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse

from api.access.authorization import rights_of
from api.city import answers as city_answers
from api.city.documents import FILES_PATH, city_document
from api.city.folder_archive import open_archive
from api.context import context_of
from api.http.answers import answers
from api.http.compression import accepts_gzip
from api.http.conditional_requests import is_known
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, not_found, unavailable
from api.page_routes import IMMUTABLE
from storage.model.model_changes import AppliedVersion, read_applied_version
from storage.model.model_store import load_model, read_city_files
from twin.model.site import BACKGROUND_FILE, THEME_FILE

router = APIRouter(prefix="/v1", tags=["city"])
files_router = APIRouter(include_in_schema=False)

EXPORTS_MAX = 1
"""Archives that are made or sent at one time: each takes a second of a core, and its size on disk."""

SEND_S_MAX = 60.0
"""A reader that takes longer for its archive is cut off, so that others can have theirs."""

_CHUNK_BYTES = 64 * 1024
_RETRY_AFTER_S = 10

_MEDIA_TYPES = {THEME_FILE: "text/css; charset=utf-8", BACKGROUND_FILE: "application/geo+json"}


@router.get("/city", summary="Get the city")
@answers(city_answers.CITY)
async def get_city(request: Request, _: NoQuery) -> Response:
    """Return what the city is, which version of its model is applied, and the texts of its page.

    Without the database it comes from memory, without what made the version.
    """
    context = context_of(request)
    model = context.model
    applied: AppliedVersion | None = None
    try:
        async with context.database.connection() as connection:
            applied = await read_applied_version(connection, model.version)
    except ProblemError:
        pass
    return city_answers.CITY.response(city_document(model, applied, rights_of(request)))


@router.get("/city/export", summary="Export the city folder")
@answers(city_answers.EXPORT, role="admin")
async def export_city(request: Request, _: NoQuery) -> Response:
    """Return the city folder that `livetwin export` writes, as an archive, with the addresses of contacts.

    One archive is made or sent at a time.
    """
    context, rights = context_of(request), rights_of(request)
    slots = context.export_slots
    if slots.locked():
        raise unavailable(
            f"An export is being made or sent; ask again in {_RETRY_AFTER_S} s.", _RETRY_AFTER_S
        )
    await slots.acquire()
    try:
        async with context.database.connection() as connection:
            model = await load_model(connection, context.model.city.id)
            contents = await read_city_files(connection, model.city)
        rights.read_contacts.update(each.id for each in model.duty.contacts)
        archive = await asyncio.to_thread(open_archive, model, contents)
    except BaseException:
        slots.release()
        raise
    return StreamingResponse(
        _chunks(archive, slots),
        media_type=city_answers.ZIP,
        headers={"Content-Disposition": f'attachment; filename="{model.city.id}.zip"'},
    )


async def _chunks(archive: IO[bytes], slots: asyncio.Semaphore) -> AsyncIterator[bytes]:
    """Yield the parts of an archive; the server waits for the reader between them."""
    try:
        async with asyncio.timeout(SEND_S_MAX):
            while part := await asyncio.to_thread(archive.read, _CHUNK_BYTES):
                yield part
    finally:
        archive.close()
        slots.release()


@files_router.get(FILES_PATH + "/{sha256}/{name}")
async def get_city_file(
    request: Request,
    sha256: Annotated[str, Path(max_length=64)],
    name: Annotated[str, Path(max_length=64)],
    _: NoQuery,
) -> Response:
    """Return a file of the page; its address changes with its content, so that it is cached for a year."""
    context = context_of(request)
    found = None
    if context.model.city.files.get(name) == sha256:
        found = await context.site_files.read(sha256)
    if found is None:
        raise not_found(f"The city has no file {name!r} with this digest; /page.json has the addresses.")
    tag = f'W/"{sha256}"'
    headers = {"Cache-Control": IMMUTABLE, "ETag": tag, "Vary": "Accept-Encoding"}
    if is_known(tag, ", ".join(request.headers.getlist("if-none-match"))):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if accepts_gzip(", ".join(request.headers.getlist("accept-encoding"))):
        return Response(
            found.compressed, media_type=_MEDIA_TYPES[name], headers={**headers, "Content-Encoding": "gzip"}
        )
    return Response(found.content, media_type=_MEDIA_TYPES[name], headers=headers)
