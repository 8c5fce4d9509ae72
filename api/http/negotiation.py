"""Content negotiation (RFC 9110, 12): which media type an answer has, and which a body may have.

The only place that reads `Accept`, and `Content-Type` of requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from starlette.requests import HTTPConnection

from api.http.answers import declaration_of
from api.http.header_values import bare_media_type, parse_weighted
from api.http.problems import ProblemError

_GIVEN = {("charset", "utf-8"), ("header", "present")}
"""Parameters of media types that every answer fulfils: texts are UTF-8, and every CSV file has a header."""

CACHED_CHARACTERS_MAX = 256
"""Few clients send a longer Accept; those are read each time."""

_SHOWN_CHARACTERS = 200


class MediaRange(NamedTuple):
    """A member of `Accept`."""

    type: str  #: lower case; `*/*` for all
    parameters: frozenset[tuple[str, str]]
    quality: float  #: 0 excludes

    @property
    def specificity(self) -> tuple[int, int]:
        """The order of ranges: of those that fit a media type the most specific counts."""
        main, _, sub = self.type.partition("/")
        return (main != "*") + (sub != "*"), len(self.parameters)

    def fits(self, media_type: str) -> bool:
        """Whether the range includes a media type without parameters."""
        if self.parameters:
            return False
        main, _, sub = self.type.partition("/")
        return self.type in ("*/*", media_type) or (sub == "*" and media_type.startswith(f"{main}/"))


def parse_accept(text: str) -> list[MediaRange]:
    """Return the media ranges of an Accept header; a member that is none is left out.

    >>> parse_accept("text/html;q=0.5, */*;q=0, application/json; charset=utf-8")[1].quality
    0.0
    """
    # Java sends a single asterisk for all.
    return [
        MediaRange("*/*" if name == "*" else name, _demands(parameters), quality)
        for name, parameters, quality in parse_weighted(text)
        if name == "*" or "/" in name
    ]


def _demands(parameters: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in parameters if (name, value.lower()) not in _GIVEN)


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return which of the offered media types a client prefers; None if it accepts none.

    Of those of the same weight the first one offered. Without Accept, or with an empty one, all are
    acceptable.

    >>> preferred("application/geo+json;q=0.5, application/*", ("application/json", "application/geo+json"))
    'application/json'
    >>> preferred("text/*, text/html;q=0", ("text/html",)) is None
    True
    """
    if accept is None or not accept.strip():
        return offered[0]
    if len(accept) > CACHED_CHARACTERS_MAX:
        return _choose(parse_accept(accept), offered)
    return _preferred(accept, tuple(offered))


@lru_cache(maxsize=1024)
def _preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    return _choose(parse_accept(accept), offered)


def _choose(ranges: Sequence[MediaRange], offered: Sequence[str]) -> str | None:
    chosen, best = None, 0.0
    for media_type in offered:
        fitting = [each for each in ranges if each.fits(media_type)]
        if fitting:
            quality = max(fitting, key=lambda each: (each.specificity, each.quality)).quality
            if quality > best:
                chosen, best = media_type, quality
    return chosen


def accept_of(connection: HTTPConnection) -> str | None:
    """Return the value of Accept, of several headers together; None without any."""
    values = connection.headers.getlist("accept")
    return ", ".join(values) if values else None


async def negotiate(request: Request) -> None:
    """Determine the media type of the answer, for `media_type_of`; a dependency of every route of /v1.

    Raises a problem (406), before the route does anything, when the client accepts none that the route has.
    """
    offered = offered_by(request)
    if not offered:
        return
    chosen = preferred(accept_of(request), offered)
    if chosen is None:
        raise not_acceptable(request, offered)
    request.state.media_type = chosen


def not_acceptable(request: Request, offered: Sequence[str]) -> ProblemError:
    """Return the problem (406) of a client that accepts none of the media types."""
    return ProblemError(
        HTTPStatus.NOT_ACCEPTABLE,
        f"Accept is {(accept_of(request) or '')[:_SHOWN_CHARACTERS]!r}, expected {' or '.join(offered)}; "
        "or omit it.",
        headers={"Vary": "Accept"},
    )


def offered_by(request: Request) -> tuple[str, ...]:
    """Return the media types that the route of a request can send; none where it takes any Accept."""
    return declaration_of(request.scope["endpoint"]).media_types


def media_type_of(request: Request) -> str:
    """Return the media type that `negotiate` chose."""
    chosen: str = request.state.media_type
    return chosen


def check_content_type(request: Request, taken: Sequence[str]) -> None:
    """Raise a problem (415) for a body of another media type, or a compressed one.

    A body without Content-Type is taken for what the route expects.
    """
    found = request.headers.get("content-type", "")
    media_type = bare_media_type(found)
    if media_type and media_type not in taken:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {found[:_SHOWN_CHARACTERS]!r}, expected {' or '.join(taken)}.",
            headers={"Accept": ", ".join(taken)},
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding is {encoding[:_SHOWN_CHARACTERS]!r}, expected none: bodies are not "
            "decompressed here.",
            headers={"Accept-Encoding": "identity"},
        )
