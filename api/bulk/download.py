"""Sends a download, part by part: bounded in memory, in time, and in what it takes from others.

A part is read, encoded in a thread, and sent before the next one is read: a slow reader makes the database do
less, and holds neither a connection to it nor a transaction. A download that fails on the way is cut off
without the end of its body, so that nobody takes it for whole; it goes on from the last cursor.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Protocol

import psycopg
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.authentication import credential_of
from api.access.authorization import rights_of
from api.bulk.columns import BulkTable
from api.bulk.media_types import CONTENT_TYPES, EXTENSIONS
from api.bulk.slots import DownloadSlots
from api.context import context_of
from api.http.problems import ProblemError
from api.http.streaming import send_until_disconnect
from storage.database import QueryError

log = logging.getLogger(__name__)

DOWNLOAD_S_MAX = 3_600.0
"""After this a download is cut off: another one has its place, and it goes on from its last cursor."""


class BulkSource(Protocol):
    """The rows of a download, in one order."""

    @property
    def table(self) -> BulkTable:
        """What the rows are of."""

    def pages(self) -> AsyncIterator[Callable[[], Any]]:
        """Yield for each part what makes the batch (`pyarrow.RecordBatch`) of its rows, in a thread."""


async def load_encoders() -> Any:
    """Return `api.bulk.encoders`, whose import takes 0.2 s and 80 MB: in a thread, at the first download."""
    return await asyncio.to_thread(importlib.import_module, "api.bulk.encoders")


async def start_download(
    request: Request,
    slots: DownloadSlots,
    source: BulkSource,
    media_type: str,
    *,
    file_name: str,
    headers: Mapping[str, str],
    metadata: Mapping[str, str],
) -> Response:
    """Return the response with the rows of a source, whose first part has been read.

    So a query that fails at once is answered with a problem. Raises one when too many downloads are in
    progress.
    """
    give_back = slots.take(str(request.scope.get("state", {}).get("client", "")))
    try:
        encoders = await load_encoders()
        schema = encoders.arrow_schema(source.table, metadata)
        pages = source.pages()
        first = await anext(pages, None)
        return DownloadResponse(
            request,
            encoders.ENCODERS[media_type](schema),
            _after(first, pages),
            give_back,
            media_type=CONTENT_TYPES.get(media_type, media_type),
            headers={
                **headers,
                "Content-Disposition": f'attachment; filename="{file_name}.{EXTENSIONS[media_type]}"',
                "Accept-Ranges": "none",
                "Vary": "Accept, Authorization",
            },
        )
    except BaseException:
        give_back()
        raise


async def _after(
    first: Callable[[], Any] | None, others: AsyncIterator[Callable[[], Any]]
) -> AsyncIterator[Callable[[], Any]]:
    if first is not None:
        yield first
        async for page in others:
            yield page


class DownloadResponse(Response):
    """A download; it ends when it is whole, when its client leaves, or when it is cut off."""

    def __init__(
        self,
        request: Request,
        encoder: Any,
        pages: AsyncIterator[Callable[[], Any]],
        give_back: Callable[[], None],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=dict(headers), media_type=media_type)
        self.headers["content-type"] = media_type  # Without a second charset.
        del self.headers["content-length"]
        self._request = request
        self._encoder = encoder
        self._pages = pages
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the download."""
        try:
            await send_until_disconnect(self._send(scope, send), receive)
        finally:
            await _close(self._pages)
            self._give_back()

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with _cut_off_if_it_fails(scope):
            async with asyncio.timeout(DOWNLOAD_S_MAX):
                await _send_part(send, self._encoder.start())
                async for page in self._pages:
                    await self._check_principal()
                    await _send_part(send, await asyncio.to_thread(self._encode, page))
                await _send_part(send, await asyncio.to_thread(self._encoder.finish))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _encode(self, page: Callable[[], Any]) -> bytes:
        encoded: bytes = self._encoder.encode(page())
        return encoded

    async def _check_principal(self) -> None:
        """Raise a problem when the credential of the client is not valid any more, or grants other rights."""
        authenticator = context_of(self._request).authenticator
        principal = await authenticator.principal_of(credential_of(self._request.headers))
        if principal != rights_of(self._request).principal:
            raise ProblemError(HTTPStatus.FORBIDDEN, "The rights of the client have changed.")


@contextmanager
def _cut_off_if_it_fails(scope: Scope) -> Iterator[None]:
    """Cut the connection off when a download takes too long or cannot go on; re-raise what is a defect."""
    connection: Any = scope.get("state", {}).get("connection")
    try:
        yield
    except (TimeoutError, QueryError, ProblemError, psycopg.Error) as error:
        log.warning(
            "a download was cut off: %s",
            str(error) or f"it took longer than {DOWNLOAD_S_MAX:g} s",
            extra={"event": "api.download_cut_off", "path": scope["path"]},
        )
        if connection is None:
            raise
        connection.cut_off("timeout" if isinstance(error, TimeoutError) else "failure")


async def _send_part(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _close(pages: AsyncIterator[Any]) -> None:
    aclose: Callable[[], Awaitable[None]] | None = getattr(pages, "aclose", None)
    if aclose is not None:
        await aclose()
