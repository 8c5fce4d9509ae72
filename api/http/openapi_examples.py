"""Builder of response examples in /v1/openapi.json."""

from __future__ import annotations

from typing import Any, TypeAlias

Responses: TypeAlias = dict[int | str, dict[str, Any]]

_PROBLEM: Responses = {
    400: {
        "description": "The request has faults; `errors` lists each.",
        "content": {
            "application/problem+json": {
                "example": {
                    "type": "about:blank",
                    "title": "Bad Request",
                    "status": 400,
                    "detail": "The request has 1 fault; `errors` lists each.",
                    "instance": "/v1/entities",
                    "errors": [
                        {
                            "in": "query",
                            "name": "tpye",
                            "code": "unknown",
                            "detail": "the parameter 'tpye' is unknown; did you mean 'type'?",
                        }
                    ],
                }
            }
        },
    }
}


def response_example(
    description: str, example: object, media_type: str = "application/json", status: int = 200
) -> Responses:
    """Return the described responses of an endpoint: the successful one, and that of a faulty request."""
    return {status: {"description": description, "content": {media_type: {"example": example}}}, **_PROBLEM}
