"""Signing in from the page at a real OpenID provider, as far as it goes without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.access import sign_in
from cli.embedded.ports import free_port
from tests.support.services.openid_provider import (
    ALGORITHM,
    AUDIENCE,
    Browser,
    openid_provider,
    signing_key,
)

PAGE_URL = "http://localhost:8080/"
PAGES = {"livetwin-page": {"redirectUri": PAGE_URL, "claims": {"groups": ["twin-operator"]}}}


@pytest.fixture
def provider_port() -> int:
    return free_port()


@pytest.fixture
async def client(start_api: Any, kafka: str, provider_port: int) -> AsyncIterator[httpx.AsyncClient]:
    issuer = {
        "id": "sso",
        "issuer": f"http://127.0.0.1:{provider_port}",
        "audience": AUDIENCE,
        "algorithms": [ALGORITHM],
        "clients": ["livetwin-page"],
        "rolesClaim": "groups",
        "nameClaim": "sub",
        "roles": {"twin-operator": "operator"},
        "page": {
            "clientId": "livetwin-page",
            "scopes": ["openid", "twin"],
            "resource": AUDIENCE,
            "name": "City login",
        },
    }
    async with start_api(kafka, base_url=PAGE_URL, oidc=[issuer]) as api:
        yield api.client


async def test_a_person_signs_in_with_a_code_and_the_token_is_accepted(
    client: httpx.AsyncClient, provider_port: int
) -> None:
    page = await client.get("/page.json")
    (offered,) = page.json()["signIn"]
    assert (offered["id"], offered["name"]) == ("sso", "City login")
    origin = f"http://127.0.0.1:{provider_port}"
    assert f"connect-src 'self' {origin};" in page.headers["content-security-policy"]
    async with openid_provider(provider_port, [signing_key("a")], {}, PAGES):
        settings = (await client.get(offered["href"])).json()
        assert (settings["clientId"], settings["redirectUri"]) == ("livetwin-page", PAGE_URL)
        assert settings["endSessionEndpoint"].startswith(origin)
        browser = Browser(settings)
        returned = await browser.code()
        assert returned["state"] == "s-1"
        assert settings["issInResponse"] is True
        assert returned["iss"] == settings["issuer"]
        answer = await browser.exchange(returned["code"])
        assert answer.status_code == 200, answer.text
        assert answer.headers["access-control-allow-origin"] == PAGE_URL.rstrip("/")
        token = answer.json()["access_token"]
        who = (await client.get("/v1/principal", headers={"Authorization": f"Bearer {token}"})).json()
        assert (who["kind"], who["name"], who["role"]) == ("access-token", "j.devries (sso)", "operator")
        assert "POST /v1/alarms/{id}/_acknowledge" in who["permissions"]
        # An ID token says who somebody is, and grants nothing.
        identity = {"Authorization": f"Bearer {answer.json()['id_token']}"}
        assert (await client.get("/v1/principal", headers=identity)).status_code == 401


async def test_a_stolen_code_is_worth_nothing_without_its_verifier(
    client: httpx.AsyncClient, provider_port: int
) -> None:
    async with openid_provider(provider_port, [signing_key("a")], {}, PAGES):
        browser = Browser((await client.get("/sign-in/sso.json")).json())
        code = (await browser.code())["code"]
        answer = await browser.exchange(code, verifier="v" * 43)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_without_the_issuer_the_page_is_told_why_and_when_to_ask_again(
    client: httpx.AsyncClient, provider_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The time between two downloads has its own tests.
    monkeypatch.setattr(sign_in, "REFETCH_S", 0.0)
    away = await client.get("/sign-in/sso.json")
    assert away.status_code == 503
    assert int(away.headers["retry-after"]) > 0
    assert f"127.0.0.1:{provider_port}" in away.json()["detail"]
    assert "cannot be reached" in away.json()["detail"]
    async with openid_provider(provider_port, [signing_key("a")], {}, PAGES):
        known = await client.get("/sign-in/sso.json")
        assert known.status_code == 200
    # An outage does not take away what is known.
    assert (await client.get("/sign-in/sso.json")).json() == known.json()
    unknown = await client.get("/sign-in/other.json")
    assert (unknown.status_code, "/page.json" in unknown.json()["detail"]) == (404, True)
