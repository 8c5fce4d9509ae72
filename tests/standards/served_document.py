"""The OpenAPI document as an installation of a city serves it; no service is contacted."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry

from api.app import create_app, create_context
from api.settings import ApiSettings
from tests.support.cities.small_cities import small_city
from twin.instant import Instant

NOW: Instant = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z


async def served_document() -> bytes:
    """Return the answer of /v1/openapi.json."""
    settings = ApiSettings(
        city="city",
        partitions=4,
        kafka="127.0.0.1:9",
        database="postgresql://nobody@127.0.0.1:9/none",
        # The design rules demand TLS.
        base_url="https://twin.city.example",
        static_dir=Path(__file__).parent,
    )
    context = create_context(settings, small_city(), lambda: NOW, CollectorRegistry())
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as client:
        return (await client.get("/v1/openapi.json")).raise_for_status().content
