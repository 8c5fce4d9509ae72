"""JSON responses, links of pages, and the opaque cursor of the next page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Request
from starlette.responses import Response

from api.http.problems import RequestFault, bad_request
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant, format_instant
from twin.wire.codec import DECODE_ERRORS

T = TypeVar("T")

PAGE_BYTES_MAX = 1024 * 1024
"""Of the items of a page; it ends with the item before."""

Document: TypeAlias = dict[str, Any]
"""A JSON object of a response."""


def json_response(
    document: object, media_type: str = "application/json", *, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """Return the response that carries a document."""
    return Response(
        msgspec.json.encode(document),
        status_code=status.value,
        media_type=media_type,
        headers={"Vary": "Accept"},
    )


def format_optional_instant(instant: Instant | None) -> str | None:
    """Return an instant as RFC 3339 text; None for None."""
    return format_instant(instant) if instant is not None else None


def encode_page_cursor(key: object) -> str:
    """Return the cursor of the page after the item with this key."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).rstrip(b"=").decode()


def decode_page_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """Return the key in a cursor, None without one; raise a problem for a cursor that is not ours."""
    if cursor is None:
        return None
    try:
        data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        key = msgspec.msgpack.decode(data, type=kind)
        _check(key)
    except (ValueError, *DECODE_ERRORS) as error:
        raise bad_request(
            RequestFault(
                "query",
                "cursor",
                "cursor",
                "not a cursor of this collection; omit it to start at the first page",
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


def first_page(items: Sequence[T], limit: int, key: Callable[[T], object]) -> tuple[Sequence[T], str | None]:
    """Return the first `limit` items and the cursor of the next page, None when there is none."""
    page = items[:limit]
    return page, encode_page_cursor(key(page[-1])) if len(items) > len(page) else None


def next_cursor(page: Sequence[T], limit: int, key: Callable[[T], object]) -> str | None:
    """Return the cursor after a page read with `limit`; None when the page is not full."""
    return encode_page_cursor(key(page[-1])) if len(page) == limit else None


def page_links(request: Request, following: str | None) -> dict[str, dict[str, str]]:
    """Return `_links` of a page: itself, and the next page where `following` is its cursor."""
    path, query = request.url.path, request.url.query
    links = {"self": {"href": f"{path}?{query}" if query else path}}
    if following is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        links["next"] = {"href": f"{path}?{urlencode([*kept, ('cursor', following)])}"}
    return links
