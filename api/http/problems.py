"""Problems: how an error is told (RFC 9457), with all faults of a request at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.responses import Response

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
