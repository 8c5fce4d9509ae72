"""Pages of collections: their models, and their items up to a bound of bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from fastapi import Request
from msgspec import UNSET, UnsetType

from api.http.models import Link, Model
from api.http.responses import PAGE_BYTES_MAX, encode_page_cursor, page_links

M = TypeVar("M")
T = TypeVar("T")


class PageLinks(Model, frozen=True, kw_only=True):
    """Links of a page."""

    self_: Link
    next: Link | UnsetType = UNSET  #: none on the last page


class Page(Model, Generic[M], frozen=True, kw_only=True):
    """A page of a collection."""

    items: list[M]
    links: PageLinks


def page_links_model(request: Request, following: str | None) -> PageLinks:
    """Return the links of a page; `following` is the cursor of the next one."""
    links = page_links(request, following)
    after = links.get("next")
    return PageLinks(
        self_=Link(href=links["self"]["href"]), next=Link(href=after["href"]) if after is not None else UNSET
    )


def render_items(
    page: Sequence[T],
    model: Callable[[T], M],
    key: Callable[[T], object],
    following: str | None,
) -> tuple[list[M], str | None]:
    """Return the items of a page, encoded, and the cursor of the next page.

    The page ends earlier where its items exceed `PAGE_BYTES_MAX`; the first item is always part of it. `key`
    gives the cursor of an item; `following` is that of the page after all of `page`.
    """
    items: list[Any] = []
    size = 0
    for number, item in enumerate(page):
        encoded = msgspec.json.encode(model(item))
        size += len(encoded)
        if number and size > PAGE_BYTES_MAX:
            return items, encode_page_cursor(key(page[number - 1]))
        # An encoded item stands for the model that it was.
        items.append(msgspec.Raw(encoded))
    return items, following


def render_page(
    request: Request,
    page: Sequence[T],
    model: Callable[[T], M],
    key: Callable[[T], object],
    following: str | None,
) -> Page[M]:
    """Return one page of a collection; see `render_items`."""
    items, following = render_items(page, model, key, following)
    return Page(items=items, links=page_links_model(request, following))
