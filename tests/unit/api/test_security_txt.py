"""People find whom to tell of a vulnerability, and no address follows the Host of a request."""

from __future__ import annotations

from dataclasses import replace

import httpx

from api.app import create_app
from api.context import ApiContext


def asking(parts: ApiContext, **settings: str) -> httpx.AsyncClient:
    changed = replace(parts, settings=parts.settings.model_copy(update=settings))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(changed)), base_url="http://evil.example"
    )


async def test_the_contact_of_the_settings_is_named(parts: ApiContext) -> None:
    contact = "mailto:security@city.example"
    async with asking(parts, security_contact=contact, base_url="https://city.example/") as client:
        response = await client.get("/.well-known/security.txt")
    assert response.headers["content-type"].startswith("text/plain")
    lines = dict(line.split(": ", 1) for line in response.text.splitlines())
    assert lines["Contact"] == contact
    assert lines["Canonical"] == "https://city.example/.well-known/security.txt"
    assert lines["Expires"].endswith("T00:00:00Z")


async def test_without_a_contact_there_is_no_file(parts: ApiContext) -> None:
    async with asking(parts) as client:
        assert (await client.get("/.well-known/security.txt")).status_code == 404


async def test_addresses_of_public_alarms_do_not_follow_the_host(parts: ApiContext) -> None:
    async with asking(parts, base_url="https://city.example") as client:
        feed = await client.get("/v1/alarms/cap", headers={"Accept": "application/atom+xml"})
    assert "evil.example" not in feed.text
    assert "https://city.example/v1/alarms/cap" in feed.text
