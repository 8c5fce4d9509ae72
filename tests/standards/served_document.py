"""The OpenAPI document as an installation of a city serves it; no service is contacted."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from api.app import create_app, create_context
from api.settings import ApiSettings
from tests.support.cities.small_cities import small_city
from twin.instant import Instant

NOW: Instant = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z


BASE_URL = "https://twin.city.example"
"""The design rules demand TLS."""


def described_app() -> ASGIApp:
    """Return the application, not started."""
    settings = ApiSettings(
        city="city",
        partitions=4,
        kafka="127.0.0.1:9",
        database="postgresql://nobody@127.0.0.1:9/none",
        base_url=BASE_URL,
        static_dir=Path(__file__).parent,
    )
    return create_app(create_context(settings, small_city(), lambda: NOW, CollectorRegistry()))


async def served_document(name: str = "openapi.json") -> bytes:
    """Return a description of the API as it is served."""
    transport = httpx.ASGITransport(described_app())
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        return (await client.get(f"/v1/{name}")).raise_for_status().content
