"""Collections: items, links and the opaque cursor of the next page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Request
from starlette.responses import Response

from api.http.problems import RequestFault, bad_request
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.wire.codec import DECODE_ERRORS

T = TypeVar("T")


def json_response(document: object, media_type: str = "application/json") -> Response:
    """Return a document as the answer."""
    return Response(msgspec.json.encode(document), media_type=media_type, headers={"Vary": "Accept"})


def encode_page_cursor(key: object) -> str:
    """Return the cursor of the page after the item with this key."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).rstrip(b"=").decode()


def decode_page_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """Return the key in a cursor, None without one; raise a problem when the cursor is not of our making."""
    if cursor is None:
        return None
    try:
        data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        key = msgspec.msgpack.decode(data, type=kind)
        _check(key)
    except (ValueError, *DECODE_ERRORS) as error:
        raise bad_request(
            RequestFault(
                "query", "cursor", "cursor", "not a cursor that this collection gave; leave it out to start"
            )
        ) from error
    return key


def _check(key: object) -> None:
    """Raise ValueError for a key that no item has: a number beyond every time and id, or a NUL."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, int) and not INSTANT_MIN <= part <= INSTANT_MAX:
            raise ValueError("a number that no item has")
        if isinstance(part, str) and "\0" in part:
            raise ValueError("a text that no item has")


def page_links(request: Request, following: str | None) -> dict[str, dict[str, str]]:
    """Return `_links` of a page: itself, and the following one if there is any."""
    path, query = request.url.path, request.url.query
    found = {"self": {"href": f"{path}?{query}" if query else path}}
    if following is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        found["next"] = {"href": f"{path}?{urlencode([*kept, ('cursor', following)])}"}
    return found


def collection_document(
    request: Request, items: Sequence[object], following: str | None
) -> dict[str, object]:
    """Return one page of a collection."""
    return {"items": items, "_links": page_links(request, following)}
