"""What routes take and answer: one record describes an answer in /v1/openapi.json and renders it.

The only place that lists the problems a route may answer with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from api.http.models import Model
from twin.model.role import Role

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# The attribute of a route's function.
_DECLARATION = "declared_answers"

JSON = "application/json"
GEOJSON = "application/geo+json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """An answer with a body: `model` is its type, a model or str or bytes.

    One with the status of a problem is what some clients get in place of the problem's document.
    """

    model: type[T]
    description: str
    example: T | None = None
    """None where the examples of the model's members say it all, and for bodies that list `properties`: the
    official linter of the NLGov rules (2.2) takes any member of that name for those of a schema, and ends."""
    media_type: str = JSON
    status: HTTPStatus = HTTPStatus.OK
    item: Any = None
    """The model of each item of a text that is a stream."""
    parts: tuple[type[Model], ...] = ()
    """Models to which schemas refer by name; see `any_of`."""
    streamed: bool = False
    """Sent in parts while it is made: without a length and an entity tag."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers beside those of every answer, each with its description."""

    def response(self, body: T, headers: Mapping[str, str] | None = None) -> Response:
        """Return the response with this body."""
        content = body if isinstance(body, str | bytes) else msgspec.json.encode(body)
        return Response(
            content,
            status_code=self.status.value,
            media_type=self.media_type,
            headers={"Vary": "Accept, Authorization", **(headers or {})},
        )


@dataclass(frozen=True, slots=True)
class NoContent:
    """An answer without a body (204)."""

    description: str
    status: HTTPStatus = HTTPStatus.NO_CONTENT
    headers: Mapping[str, str] = field(default_factory=dict)
    """As those of an `Answer`."""

    def response(self) -> Response:
        """Return the response."""
        return Response(status_code=self.status.value)


@dataclass(frozen=True, slots=True)
class Body:
    """The body of requests, which `api.http.bodies` reads: `model` validates it, or says what does."""

    model: type[BaseModel]
    example: Mapping[str, Any]
    media_types: tuple[str, ...] = (JSON,)

    @property
    def required(self) -> bool:
        """Whether an empty body, which has no members, is refused."""
        try:
            self.model.model_validate({})
        except ValidationError:
            return True
        return False


class ProblemKind(NamedTuple):
    """A problem that routes may answer with: what it means, and an example of its `detail`."""

    description: str
    example: str
    headers: Mapping[str, str] = {}


_RETRY_AFTER = {"Retry-After": "Seconds to wait, where they are known."}
_CHALLENGE = {"WWW-Authenticate": "The scheme `Bearer`."}

PROBLEMS: Mapping[HTTPStatus, ProblemKind] = {
    HTTPStatus.BAD_REQUEST: ProblemKind(
        "The request has faults; `errors` lists each.", "The request has 1 fault; `errors` lists each."
    ),
    HTTPStatus.UNAUTHORIZED: ProblemKind(
        "The API key is unknown or was revoked, or this needs one.",
        "The API key is unknown or was revoked; omit the header for anonymous access.",
        _CHALLENGE,
    ),
    HTTPStatus.FORBIDDEN: ProblemKind(
        "The role of the API key does not allow it.",
        "This needs an API key of the role operator or above; this key has the role viewer.",
    ),
    HTTPStatus.NOT_FOUND: ProblemKind(
        "There is nothing of this id.", "There is no entity 'nowhere'; /v1/entities lists them."
    ),
    HTTPStatus.NOT_ACCEPTABLE: ProblemKind(
        "`Accept` has none of the media types of this resource.",
        "Accept is 'text/csv', expected application/json or application/geo+json.",
    ),
    HTTPStatus.REQUEST_TIMEOUT: ProblemKind(
        "The body did not arrive in time.", "The body did not arrive within 10 s."
    ),
    HTTPStatus.CONFLICT: ProblemKind(
        "The present state does not allow it; `detail` has the reason.",
        "The alarm is unchanged: it is shelved.",
    ),
    HTTPStatus.GONE: ProblemKind("It existed, and is not valid any more.", "The link has expired."),
    HTTPStatus.PRECONDITION_FAILED: ProblemKind(
        "`If-Match` does not name the present version.",
        "The rule has version 3, If-Match names 2. Read the rule again before you change it.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ProblemKind(
        "The body is too long.", "The body has more than 65536 bytes."
    ),
    HTTPStatus.REQUEST_URI_TOO_LONG: ProblemKind(
        "Path and query are too long.",
        "Path and query have 98305 bytes, the limit is 98304; request fewer items.",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ProblemKind(
        "`Content-Type` is none that this takes.", "Content-Type is 'text/xml', expected application/json."
    ),
    HTTPStatus.TOO_MANY_REQUESTS: ProblemKind(
        "Too many requests, connections or attempts of this client.",
        "More requests than 50 a second; wait 3 s.",
        _RETRY_AFTER,
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ProblemKind(
        "The headers are too long.", "The headers have 65537 bytes, the limit is 65536; send fewer headers."
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: ProblemKind(
        "The server failed.", "The server failed on this request; its log has the cause."
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: ProblemKind(
        "A service behind this is away, or too much waits; it can succeed later.",
        "The database is not available; live state is.",
        _RETRY_AFTER,
    ),
}

OF_EVERY_ROUTE = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""From the layers around the routes: limits of size and rate, admission, the failure of a route."""

OF_BODIES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
"""Of every route that reads a body."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a route answers and takes: successes, the problems that not every route has, role and body."""

    answers: tuple[Answer[Any] | NoContent, ...]
    problems: frozenset[HTTPStatus]
    role: Role | None  #: None: anonymous clients, too
    in_areas: bool  #: whether the role may be limited to areas; the route then checks the place
    body: Body | None
    media_types: tuple[str, ...]  #: of which `Accept` chooses; none where it is not asked
    negotiated: bool


def answers(
    *successes: Answer[Any] | NoContent,
    problems: tuple[HTTPStatus, ...] = (),
    role: Role | None = None,
    in_areas: bool = False,
    body: Body | None = None,
    negotiated: bool = True,
) -> Callable[[F], F]:
    """Declare what a route answers and takes; `role` is the least that it needs, of which 401 and 403 follow:
    `authorize` refuses who lacks it. It is needed in the whole city, or `in_areas` of which the route checks
    that the place is one.

    400, 414, 429, 431, 500 and 503 are every route's, 401 that of every route with an API key, 408 and 413
    that of every route with a body. A route is `negotiated` (406, 415; see `api.http.negotiation`) unless an
    alarm must not depend on two headers.
    """
    types = [
        each.media_type
        for each in successes
        if isinstance(each, Answer) and each.status < HTTPStatus.BAD_REQUEST
    ]
    media_types = tuple(dict.fromkeys(types)) if negotiated else ()
    declaration = Declaration(successes, frozenset(problems), role, in_areas, body, media_types, negotiated)

    def declare(endpoint: F) -> F:
        setattr(endpoint, _DECLARATION, declaration)
        return endpoint

    return declare


def declaration_of(endpoint: Callable[..., Any]) -> Declaration:
    """Return what a route declares. Raises TypeError for a route that declares nothing."""
    declared: Declaration | None = getattr(endpoint, _DECLARATION, None)
    if declared is None:
        raise TypeError(f"{endpoint.__qualname__} has no @answers(…), which every route below /v1 needs")
    return declared
