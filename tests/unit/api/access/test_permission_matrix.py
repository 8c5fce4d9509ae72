"""Every role × every operation × every credential, compared with docs/reference/permissions.md.

The table is written by hand or taken from the failure of this test, and read by people: a change of it is a
change of who may do what.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from api.access.access_tokens import AccessTokens
from api.access.api_keys import ApiKeys
from api.access.authentication import Authenticator
from api.access.issuer_settings import IssuerSettings
from api.alarms.command_gateway import CommandGateway
from api.app import create_app
from api.context import ApiContext
from api.database import Database
from api.http.answers import declaration_of
from api.http.problems import unavailable
from api.rules import routes as rules_routes
from storage.stores.tokens import TOKEN_PREFIX, TokenGrant, token_digest
from tests.support.http.documented_answers import openapi_document
from tests.support.http.permission_matrix import Column, measure, render
from tests.support.http.token_issuer import AUDIENCE, TokenIssuer
from tests.support.payloads.alarm_events import alarm_event, incident_event
from tests.support.repository import ROOT
from tests.unit.api.conftest import NOW
from twin.alarms.messages import AlarmBatch
from twin.model.role import GRANTABLE_ROLES, Role
from twin.wire.codec import LAYOUT_VERSION

PAGE = ROOT / "docs/reference/permissions.md"

# The alarm and its incident are at the canal; the household is in city.house, which lies in city.west.
CANAL, ELSEWHERE = "city.canal", "city.east"
HOUSE, HOUSE_METER = "city.west", "5"
WATER = alarm_event()

PRINCIPALS: Mapping[str, tuple[Role, tuple[str, ...] | None]] = {
    **{role: (role, None) for role in GRANTABLE_ROLES},
    "operator there": ("operator", (CANAL,)),
    "operator elsewhere": ("operator", (ELSEWHERE,)),
    "admin elsewhere": ("admin", (ELSEWHERE,)),
    "metering there": ("metering", (HOUSE,)),
    "metering elsewhere": ("metering", (ELSEWHERE,)),
}

INCIDENT = incident_event(WATER)

EXAMPLES = {
    "/v1/entities/{id}": "/v1/entities/city.house",
    "/v1/entities/{id}/state": "/v1/entities/city.house/state",
    "/v1/entities/{id}/relations": "/v1/entities/city.house/relations",
    "/v1/entities/{id}/history": (
        "/v1/entities/city.house/history?property=power_import&start=2026-11-23T00:00:00Z"
        "&end=2026-11-23T12:00:00Z"
    ),
    "/v1/entities/{id}/provenance": "/v1/entities/city.house/provenance?property=power_import",
    "/v1/datastreams/{id}": f"/v1/datastreams/{HOUSE_METER}",
    "/v1/datastreams/{id}/observations": f"/v1/datastreams/{HOUSE_METER}/observations",
    "{id}": WATER.alarm,
    "{name}": "pm2_5",
    "{token}": "x",
    "{version}": "1",
    "{kid}": "x",
}


def example_urls(document: Mapping[str, Any]) -> dict[str, str]:
    """Return an URL for each path that needs an id of its own kind."""
    urls = dict(EXAMPLES)
    for path in document["paths"]:
        if path.startswith("/incidents/{id}"):
            urls[f"/v1{path}"] = f"/v1{path}".replace("{id}", INCIDENT.incident)
    return urls


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with TokenIssuer().serve() as served:
        yield served


@pytest.fixture
def columns(issuer: TokenIssuer) -> dict[str, list[Column]]:
    """For each kind of credential a column of each principal."""
    keys = [Column(name, f"{TOKEN_PREFIX}{name}") for name in PRINCIPALS]
    tokens = [
        Column(
            name,
            issuer.token(
                issuer.claims(NOW, sub=name, roles=[role], areas=list(areas) if areas is not None else "*")
            ),
        )
        for name, (role, areas) in PRINCIPALS.items()
    ]
    return {kind: [Column("anonymous", None), *each] for kind, each in (("key", keys), ("token", tokens))}


def away(*_: object, **__: object) -> Any:
    """Stand for the database and the log, which no request here is to wait for."""
    raise unavailable("away", 1)


@pytest.fixture
def parts(parts: ApiContext, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> ApiContext:
    """The api with one alarm and its incident, and credentials of each principal."""
    monkeypatch.setattr(Database, "connection", away)
    monkeypatch.setattr(Database, "is_available", AsyncMock(return_value=False))
    for name in ("send_commands", "send_duty_command"):
        monkeypatch.setattr(CommandGateway, name, away)
    grants = {
        token_digest(f"{TOKEN_PREFIX}{name}"): TokenGrant(name, role, areas)
        for name, (role, areas) in PRINCIPALS.items()
    }

    async def look_up(hashed: bytes) -> TokenGrant | None:
        return grants.get(hashed)

    settings = IssuerSettings(
        id="sso",
        issuer=issuer.url,
        audience=AUDIENCE,
        roles={role: role for role in GRANTABLE_ROLES},
        areas_claim="areas",
    )
    authenticator = Authenticator(ApiKeys(None, look_up), AccessTokens([settings], parts.clock))
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, WATER.time, (WATER,), (INCIDENT,)))
    settings_without_limit = parts.settings.model_copy(update={"client_requests_per_s": 0})
    return replace(parts, authenticator=authenticator, settings=settings_without_limit)


async def measured(parts: ApiContext, columns: list[Column]) -> dict[str, str]:
    app = create_app(parts)
    document = openapi_document(app)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://city.example"
    ) as client:
        return await measure(client, document, columns, example_urls(document))


@pytest.mark.parametrize("kind", ["key", "token"])
async def test_each_role_may_do_with_each_credential_what_the_page_says(
    parts: ApiContext, columns: dict[str, list[Column]], kind: str
) -> None:
    table = render(await measured(parts, columns[kind]), columns[kind])
    assert table in PAGE.read_text(), f"{PAGE.relative_to(ROOT)}: put this in, if it is meant:\n{table}"


async def test_a_planted_hole_is_found(
    parts: ApiContext, columns: dict[str, list[Column]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route that forgets its role differs in exactly its row."""
    before = await measured(parts, columns["key"])
    hole = replace(declaration_of(rules_routes.delete_rule), role=None)
    monkeypatch.setattr(
        "api.access.authorization.declaration_of",
        lambda endpoint: hole if endpoint is rules_routes.delete_rule else declaration_of(endpoint),
    )
    after = await measured(parts, columns["key"])
    assert {name for name in before if before[name] != after[name]} == {"DELETE /v1/rules/{id}"}
