"""What goes wrong.

LiveTwinError
├── RefusedError             the answer is an error that trying again does not help
│   ├── BadRequestError      400: `problem["errors"]` has every fault of the request
│   ├── UnauthorizedError    401: the key is unknown, revoked or expired
│   ├── ForbiddenError       403: the role of the key is not enough
│   └── NotFoundError        404
├── UnavailableError         no usable answer after all attempts
└── UnexpectedAnswerError    what answers is not LiveTwin, or not a version that this client knows
"""

from __future__ import annotations

from livetwin_client.api_types import Problem


class LiveTwinError(Exception):
    """Anything that this client raises by itself."""


class RefusedError(LiveTwinError):
    """The server refuses the request, and would refuse it again."""

    def __init__(self, problem: Problem) -> None:
        faults = "".join(f"; {each['name']}: {each['detail']}" for each in problem.get("errors", ()))
        super().__init__(f"{problem['status']} at {problem['instance']}: {problem['detail']}{faults}")
        self.problem = problem


class BadRequestError(RefusedError):
    """400: parameters are unknown or have unknown values."""


class UnauthorizedError(RefusedError):
    """401: the API key or access token is not accepted."""


class ForbiddenError(RefusedError):
    """403: the role of the key is not enough."""


class NotFoundError(RefusedError):
    """404: there is no such thing."""


class UnavailableError(LiveTwinError):
    """No answer, or none but 429 and 5xx, in all attempts."""


class UnexpectedAnswerError(LiveTwinError):
    """An answer that LiveTwin does not give."""


_BY_STATUS: dict[int, type[RefusedError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
}


def refused(problem: Problem) -> RefusedError:
    """Return the error of a problem.

    >>> refused({"title": "Forbidden", "status": 403, "detail": "The role is viewer.", "instance": "/v1/x"})
    ForbiddenError('403 at /v1/x: The role is viewer.')
    """
    return _BY_STATUS.get(problem["status"], RefusedError)(problem)
