"""Problem documents (RFC 9457), and the only place that maps errors to responses.

A problem lists every fault of a request at once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias, cast

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from msgspec import UNSET, Meta, UnsetType
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.http.models import Model
from storage.database import QueryError

log = logging.getLogger(__name__)

FAULTS_MAX = 100
"""Faults listed in one problem; a query of 10,000 unknown names need not list them all."""

MEDIA_TYPE = "application/problem+json"

_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is no resource at {path}; /v1/openapi.json lists the paths.",
}


class RequestFault(msgspec.Struct, frozen=True, omit_defaults=True, rename={"place": "in"}):
    """One fault of a request."""

    place: str  #: query, path, header or body
    name: str  #: of the parameter or field
    code: str  #: a stable word for programs
    detail: str  #: what was found, what was expected, how to correct it


class ProblemError(Exception):
    """A request cannot be answered; becomes a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        faults: Sequence[RequestFault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def bad_request(*faults: RequestFault) -> ProblemError:
    """Return the problem (400) of a request with faults."""
    many = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    each = "each" if len(faults) <= FAULTS_MAX else f"the first {FAULTS_MAX}"
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        f"The request has {many}; `errors` lists {each}.",
        faults=faults[:FAULTS_MAX],
    )


def not_found(detail: str) -> ProblemError:
    """Return the problem (404) of a resource that does not exist."""
    return ProblemError(HTTPStatus.NOT_FOUND, detail)


def unavailable(detail: str, retry_after_s: int | None) -> ProblemError:
    """Return the problem (503) of a request that can succeed later; None: nobody knows when."""
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)


class Problem(Model, frozen=True, kw_only=True):
    """A problem (RFC 9457)."""

    type: Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})] = "about:blank"
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    instance: Annotated[str, Meta(description="The requested path.")]
    errors: Sequence[RequestFault] | UnsetType = UNSET  #: every fault of the request


def problem_model(problem: ProblemError, instance: str) -> Problem:
    """Return the document of a problem; `instance` is the requested path."""
    return Problem(
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        instance=instance,
        errors=problem.faults or UNSET,
    )


def problem_response(problem: ProblemError, instance: str) -> Response:
    """Return the response of a problem; `instance` is the requested path."""
    return Response(
        msgspec.json.encode(problem_model(problem, instance)),
        status_code=problem.status.value,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


BodyFaults: TypeAlias = Callable[[Request], Awaitable[Sequence[RequestFault]]]
"""Returns the faults of the body of a request, which no route has read."""


def add_error_handlers(app: FastAPI, read_body_faults: BodyFaults) -> None:
    """Make an application answer every error with a problem document.

    The problem of faulty parameters has the faults of the body, too.
    """

    async def on_invalid_request(request: Request, error: Exception) -> Response:
        known = _query_parameters(request)
        errors = cast(RequestValidationError, error).errors()
        faults = [*(_fault(each, known) for each in errors), *await read_body_faults(request)]
        return problem_response(bad_request(*faults), request.url.path)

    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(QueryError, _on_query_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_internal_error)


def body_faults(error: ValidationError, known: list[str]) -> list[RequestFault]:
    """Return the faults of a body whose members are `known`."""
    return [
        _fault({**each, "loc": ("body", *each["loc"])}, known) for each in error.errors(include_context=False)
    ]


async def _on_problem(request: Request, error: Exception) -> Response:
    return problem_response(cast(ProblemError, error), request.url.path)


async def _on_query_error(request: Request, error: Exception) -> Response:
    return problem_response(ProblemError(HTTPStatus.BAD_REQUEST, str(error)), request.url.path)


async def _on_http_error(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    status = HTTPStatus(error.status_code)
    detail = _DETAILS.get(status, "{method} {path} was refused.")
    path = request.url.path
    problem = ProblemError(
        status, detail.format(method=request.method, path=path), headers=dict(error.headers or {})
    )
    if status is HTTPStatus.NOT_FOUND and len(path) > 1 and path.endswith("/"):
        problem.detail = f"Paths end without a slash: request {path.rstrip('/') or '/'}."
    return problem_response(problem, path)


async def _on_internal_error(request: Request, error: Exception) -> Response:
    log.error(
        "%s %s failed",
        request.method,
        request.url.path,
        exc_info=error,
        extra={"event": "api.request_failed", "method": request.method, "path": request.url.path},
    )
    problem = ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed on this request; its log has the cause."
    )
    return problem_response(problem, request.url.path)


def _query_parameters(request: Request) -> list[str]:
    """Return the names of the query parameters that the route of a request accepts."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    names: list[str] = []
    for parameter in getattr(dependant, "query_params", ()):
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names += [field.alias or name for name, field in model.model_fields.items()]
    return names


def _fault(error: dict[str, Any], known: list[str]) -> RequestFault:
    place, *rest = (str(part) for part in error["loc"])
    name = ".".join(rest)
    if error["type"] == "extra_forbidden":
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known) or 'none'}"
        kind = "member" if place == "body" else "parameter"
        return RequestFault(place, name, "unknown", f"the {kind} {name!r} is unknown{hint}")
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = f"found {str(error.get('input'))[:100]!r}: " if error["type"] != "missing" else ""
    return RequestFault(place, name, error["type"], f"{shown}{message[:1].lower()}{message[1:]}")
