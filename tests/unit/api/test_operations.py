"""No operation that changes something is open to anonymous clients."""

from __future__ import annotations

import re

import httpx

from api.app import create_app
from api.context import ApiContext
from tests.support.http.documented_answers import openapi_document, served_paths

# The link that a person got is the credential: tests/unit/api/alarms/test_acknowledgement_link.py.
BY_LINK = {"POST /v1/acknowledge/{token}": 404}


def changing_operations(parts: ApiContext) -> list[tuple[str, str]]:
    """Return method and path of each operation of the OpenAPI document that is not a read."""
    return [
        (method.upper(), path)
        for path, methods in served_paths(openapi_document(create_app(parts))).items()
        for method in methods
        if method in {"post", "put", "patch", "delete"}
    ]


async def test_no_operation_that_changes_something_is_open_to_anonymous_clients(parts: ApiContext) -> None:
    operations = changing_operations(parts)
    assert len(operations) > 20
    answers: dict[str, int] = {}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(parts)), base_url="http://city.example"
    ) as client:
        for method, path in operations:
            answer = await client.request(method, re.sub(r"\{\w+\}", "x", path), json={})
            answers[f"{method} {path}"] = answer.status_code
    assert {name: status for name, status in answers.items() if status != 401} == BY_LINK
