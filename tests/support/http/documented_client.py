"""A client that fails on an answer which the OpenAPI document of the api does not describe."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx

from tests.standards.served_document import described_app
from tests.support.http.documented_answers import DocumentedAnswers, openapi_document


@cache
def documented_answers() -> DocumentedAnswers:
    """Return the answers of the api. The document follows from the routes, and takes seconds to make."""
    return DocumentedAnswers(openapi_document(described_app()))


def documented_client(**options: Any) -> httpx.AsyncClient:
    """Return a client with these options, which checks each answer."""
    return httpx.AsyncClient(event_hooks={"response": [documented_answers().check]}, **options)
