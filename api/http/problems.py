"""Problems: how an error is told (RFC 9457), with all faults of a request at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, cast

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from storage.database import QueryError

FAULTS_MAX = 100
"""So many are listed: a query of 10,000 wrong names is wrong enough."""

MEDIA_TYPE = "application/problem+json"


class RequestFault(msgspec.Struct, frozen=True, omit_defaults=True, rename={"place": "in"}):
    """One thing that is wrong with a request."""

    place: str  #: query, path, header or body
    name: str  #: of the parameter or field
    code: str  #: a stable word for programs
    detail: str  #: what was found, what was expected, what to do


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
    """Return the problem of a request whose parameters are wrong."""
    many = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    each = "each" if len(faults) <= FAULTS_MAX else f"the first {FAULTS_MAX}"
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        f"The request has {many}; `errors` lists {each}.",
        faults=faults[:FAULTS_MAX],
    )


def not_found(what: str) -> ProblemError:
    """Return the problem of something that does not exist."""
    return ProblemError(HTTPStatus.NOT_FOUND, what)


def problem_document(problem: ProblemError, instance: str) -> dict[str, object]:
    """Return a problem as it is told; `instance` is the path that was asked for."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "instance": instance,
    }
    if problem.faults:
        document["errors"] = problem.faults
    return document


def problem_response(problem: ProblemError, instance: str) -> Response:
    """Return the answer that tells a problem; `instance` is the path that was asked for."""
    return Response(
        msgspec.json.encode(problem_document(problem, instance)),
        status_code=problem.status.value,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


# How what goes wrong becomes a problem: the one place that maps errors to answers.

log = logging.getLogger(__name__)

_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at {path}; /v1/openapi.json lists what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "{method} cannot be asked of {path}.",
}


def add_error_handlers(app: FastAPI) -> None:
    """Make an application answer every error with a problem document."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(QueryError, _on_query)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_fault_of_ours)


async def _on_problem(request: Request, error: Exception) -> Response:
    return problem_response(cast(ProblemError, error), request.url.path)


async def _on_query(request: Request, error: Exception) -> Response:
    return problem_response(ProblemError(HTTPStatus.BAD_REQUEST, str(error)), request.url.path)


async def _on_http(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    status = HTTPStatus(error.status_code)
    detail = _DETAILS.get(status, "{method} {path} was refused.")
    path = request.url.path
    problem = ProblemError(
        status, detail.format(method=request.method, path=path), headers=dict(error.headers or {})
    )
    if status is HTTPStatus.NOT_FOUND and len(path) > 1 and path.endswith("/"):
        problem.detail = f"A path ends without a slash: ask for {path.rstrip('/') or '/'}."
    return problem_response(problem, path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    known = _parameters_of(request)
    errors = cast(RequestValidationError, error).errors()
    return problem_response(bad_request(*(_fault(one, known) for one in errors)), request.url.path)


def body_faults(error: ValidationError, known: list[str]) -> list[RequestFault]:
    """Return what is wrong with a body that has the members `known`."""
    return [
        _fault({**one, "loc": ("body", *one["loc"])}, known) for one in error.errors(include_context=False)
    ]


async def _on_fault_of_ours(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    problem = ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "That is a fault of this server; its log says more."
    )
    return problem_response(problem, request.url.path)


def _parameters_of(request: Request) -> list[str]:
    """Return the query parameters that the route of a request knows."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    names: list[str] = []
    for one in getattr(dependant, "query_params", ()):
        model = one.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names += [field.alias or name for name, field in model.model_fields.items()]
    return names


def _fault(error: dict[str, Any], known: list[str]) -> RequestFault:
    place, *rest = (str(part) for part in error["loc"])
    name = ".".join(rest)
    if error["type"] == "extra_forbidden":
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known) or 'none'}"
        what = "member" if place == "body" else "parameter"
        return RequestFault(place, name, "unknown", f"the {what} {name!r} is unknown{hint}")
    message = str(error["msg"]).removeprefix("Value error, ")
    found = error.get("input")
    said = f"found {str(found)[:100]!r}: " if error["type"] != "missing" else ""
    return RequestFault(place, name, error["type"], f"{said}{message[:1].lower()}{message[1:]}")
