"""Every role × every operation × every transport × every credential: docs/reference/permissions.md has it.

The table is written by hand or taken from the failure of this test, and read by people: a change of it is a
change of who may do what.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from starlette.requests import HTTPConnection

from api.access.access_tokens import AccessTokens
from api.access.api_keys import ApiKeys
from api.access.authentication import Authenticator
from api.access.authorization import authorize
from api.access.issuer_settings import IssuerSettings
from api.access.key_watch import KeyWatch
from api.access.rights import PUBLIC, rights_of_role
from api.alarms.command_gateway import CommandGateway
from api.app import create_app, included_routes
from api.audit.audited_answers import AuditedAnswers
from api.context import ApiContext
from api.database import Database
from api.http.answers import declaration_of
from api.http.problems import unavailable
from api.rules import routes as rules_routes
from api.webhooks import routes as webhooks_routes
from ingest.broker_accounts import READER_ACCOUNT
from storage.stores.tokens import TOKEN_PREFIX, TokenGrant, token_digest
from storage.stores.webhooks import Webhook
from tests.support.cities.alarm_city import high_water_rule
from tests.support.http.documented_answers import openapi_document
from tests.support.http.documented_client import documented_client
from tests.support.http.permission_matrix import Column, measure, render, render_rows
from tests.support.http.token_issuer import AUDIENCE, TokenIssuer
from tests.support.http.transport_matrix import GUIDANCE, Changes, Transports, measure_transports
from tests.support.payloads.alarm_events import alarm_event, incident_event
from tests.support.repository import ROOT
from tests.unit.api.conftest import NOW
from twin.alarms.messages import AlarmBatch
from twin.instant import MINUTE
from twin.model.city_model import CityModel
from twin.model.maintenance_window import MaintenanceWindow
from twin.model.role import GRANTABLE_ROLES, Role
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Update, UpdateKind

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


# A webhook of the canal.
SUBSCRIPTION: dict[str, object] = {"url": "https://example.org/", "filter": {"entity": [CANAL]}}
# What it covers is at the canal, before and after.
WINDOW: dict[str, object] = {"title": "Work", "entities": [CANAL], "start": "2026-11-23T12:00:00Z"}
BODIES = {"POST /v1/subscriptions": SUBSCRIPTION, "PUT /v1/maintenance-windows/{id}": WINDOW}
WEBHOOK = Webhook(
    id=WATER.alarm,
    url="https://example.org/",
    filter={"entity": [CANAL]},
    mode="batch",
    format="nlgov",
    handshake=True,
    secret=b"0" * 32,
    created=NOW,
    created_by="tests",
)


def example_urls(document: Mapping[str, Any]) -> dict[str, str]:
    """Return an URL for each path that needs an id of its own kind."""
    urls = dict(EXAMPLES)
    urls["/v1/maintenance-windows/{id}"] = "/v1/maintenance-windows/work"
    for path in document["paths"]:
        if path.startswith("/incidents/{id}"):
            urls[f"/v1{path}"] = f"/v1{path}".replace("{id}", INCIDENT.incident)
    return urls


@pytest.fixture
def model(model: CityModel) -> CityModel:
    """The city with the rule of the alarm, what staff is told to do about it, and work at the canal."""
    return replace(
        model,
        rules={WATER.rule: high_water_rule(id=WATER.rule, guidance=GUIDANCE)},
        maintenance_windows={
            "work": MaintenanceWindow(id="work", title="Work", entities=(CANAL,), start=NOW)
        },
    )


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
    monkeypatch.setattr(webhooks_routes, "stored_webhook", AsyncMock(return_value=WEBHOOK))
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
    return replace(
        parts,
        authenticator=authenticator,
        key_watch=KeyWatch(authenticator.principal_of),
        settings=settings_without_limit,
    )


async def measured(parts: ApiContext, columns: list[Column]) -> dict[str, str]:
    app = create_app(parts)
    document = openapi_document(app)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://city.example"
    ) as client:
        return await measure(client, document, columns, example_urls(document), BODIES)


@pytest.mark.parametrize("kind", ["key", "token"])
async def test_each_role_may_do_with_each_credential_what_the_page_says(
    parts: ApiContext, columns: dict[str, list[Column]], kind: str
) -> None:
    table = render(await measured(parts, columns[kind]), columns[kind])
    assert table in PAGE.read_text(), f"{PAGE.relative_to(ROOT)}: put this in, if it is meant:\n{table}"


# The route refuses by the household in its path; it declares no role.
OF_HOUSEHOLDS = {
    "GET /v1/datastreams/{id}",
    "GET /v1/datastreams/{id}/observations",
    "GET /v1/entities/{id}/history",
}


def allowed_by_page(columns: list[Column]) -> dict[str, set[str]]:
    """For each column of the page the operations that are not for everybody, and that it may do."""
    allowed: dict[str, set[str]] = {column.name: set() for column in columns}
    for name, row in re.findall(r"^\| `([A-Z]+ /v1/\S+)` \|(.+)\|$", PAGE.read_text(), re.MULTILINE):
        cells = [cell.strip() == "yes" for cell in row.split("|")]
        if len(cells) == len(columns) and not cells[0] and name not in OF_HOUSEHOLDS:
            for column, cell in zip(columns, cells, strict=True):
                allowed[column.name] |= {name} if cell else set()
    return allowed


@pytest.mark.parametrize("kind", ["key", "token"])
async def test_each_principal_is_told_what_the_page_says(
    parts: ApiContext, columns: dict[str, list[Column]], kind: str
) -> None:
    told: dict[str, dict[str, Any]] = {}
    transport = httpx.ASGITransport(create_app(parts))
    async with documented_client(transport=transport, base_url="http://city.example") as client:
        for column in columns[kind]:
            headers = {"Authorization": f"Bearer {column.credential}"} if column.credential else {}
            told[column.name] = (await client.get("/v1/principal", headers=headers)).json()
        wrong = await client.get("/v1/principal", headers={"Authorization": f"Bearer {TOKEN_PREFIX}wrong"})
    assert wrong.status_code == 401
    allowed = allowed_by_page(columns[kind])
    for name in ("anonymous", *GRANTABLE_ROLES, "operator there", "metering there"):
        assert set(told[name]["permissions"]) == allowed[name], name
    # What concerns a place is refused elsewhere, and the answer names the places.
    assert told["operator elsewhere"]["permissions"] == told["operator there"]["permissions"]
    assert told["operator elsewhere"]["areas"] == [ELSEWHERE]
    assert told["anonymous"] == {
        "kind": "anonymous",
        "name": "anonymous",
        "role": "anonymous",
        "areas": None,
        "expiresTime": None,
        "permissions": [],
    }
    duty = told["duty"]
    expected = ("api-key", "duty") if kind == "key" else ("access-token", "j.devries (sso)")
    assert (duty["kind"], duty["name"]) == expected
    assert (duty["expiresTime"] is None) == (kind == "key")


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


MeasureTransports = Callable[[str], Awaitable[dict[str, str]]]


@pytest.fixture
def stream_columns(columns: dict[str, list[Column]], issuer: TokenIssuer) -> dict[str, list[Column]]:
    """The columns of each kind of credential, and further ones.

    One is not valid, a revoked key or an expired token, and two are accounts of the MQTT broker.
    """
    invalid = {"key": f"{TOKEN_PREFIX}revoked", "token": issuer.token(issuer.claims(NOW, exp=0))}
    accounts = [Column("MQTT device", "level-1"), Column("MQTT reader", READER_ACCOUNT)]
    return {kind: [Column("not valid", invalid[kind]), *each, *accounts] for kind, each in columns.items()}


@pytest.fixture
def measured_transports(
    parts: ApiContext,
    stream_columns: dict[str, list[Column]],
    make_update: Callable[..., Update],
    monkeypatch: pytest.MonkeyPatch,
) -> MeasureTransports:
    # A reading of a household is sent once it is recorded, which has tests of its own.
    monkeypatch.setattr(AuditedAnswers, "_record", AsyncMock(return_value=None))
    changes = Changes(parts.hub, make_update, open=1, household=int(HOUSE_METER))

    async def measured_with(kind: str) -> dict[str, str]:
        app = create_app(parts)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://city.example"
        ) as client:
            transports = Transports(app=app, context=parts, client=client, changes=changes)
            return await measure_transports(transports, stream_columns[kind])

    return measured_with


@pytest.mark.parametrize("kind", ["key", "token"])
async def test_each_role_gets_over_each_transport_what_the_page_says(
    measured_transports: MeasureTransports, stream_columns: dict[str, list[Column]], kind: str
) -> None:
    table = render_rows("events", await measured_transports(kind), stream_columns[kind])
    assert table in PAGE.read_text(), f"{PAGE.relative_to(ROOT)}: put this in, if it is meant:\n{table}"


async def test_a_hole_that_is_planted_in_the_websocket_is_found(
    measured_transports: MeasureTransports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket whose handshake asks for no valid credential differs in its own rows, and in no others."""

    async def authorize_without_sockets(connection: HTTPConnection) -> None:
        connection.state.rights = PUBLIC
        if connection.scope["type"] == "http":
            await authorize(connection)

    before = await measured_transports("key")
    monkeypatch.setattr("api.app.authorize", authorize_without_sockets)
    monkeypatch.setattr("api.app._ROUTES", included_routes())
    after = await measured_transports("key")
    differing = {name for name in before if before[name] != after[name]}
    # The watch over keys may end the connection before its events.
    assert "`WS /v1/live/ws`: handshake" in differing
    assert {name.partition(":")[0] for name in differing} == {"`WS /v1/live/ws`"}


STREAMS = {"`GET /v1/live`", "`GET /v1/streams/live`", "`WS /v1/live/ws`", "a webhook", "MQTT"}

HOLES: Mapping[str, tuple[dict[str, object], set[str]]] = {
    "readings of households": (
        {
            "api.live.live_view._PERSONAL": None,
            "api.live.live_view.LiveView.expected_interval": lambda *_: MINUTE,
            "api.streams.live_log.UNSENT_KINDS": {UpdateKind.AMENDMENT},
        },
        {"states, alarms and rules", *STREAMS},
    ),
    "guidance of rules": (
        {
            "api.alarms.documents.may_see_guidance": lambda _: True,
            "api.rules.documents.may_see_guidance": lambda _: True,
        },
        {"states, alarms and rules"},
    ),
    "alarms of meters of households": ({"api.live.alarm_events.is_public": lambda *_: True}, STREAMS),
}
"""For each kind of content the guards that are taken away, and where it is then."""


@pytest.mark.parametrize("content", HOLES)
async def test_content_that_is_not_kept_back_is_found_on_every_transport(
    measured_transports: MeasureTransports, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    guards, transports = HOLES[content]
    before = await measured_transports("key")
    for name, hole in guards.items():
        monkeypatch.setattr(name, hole)
    after = await measured_transports("key")
    assert {name for name in before if before[name] != after[name]} == {
        f"{each}: {content}" for each in transports
    }


async def test_a_state_on_mqtt_with_the_rights_of_another_is_found(
    measured_transports: MeasureTransports, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await measured_transports("key")
    monkeypatch.setattr("outlets.mqtt_publisher.PUBLIC", rights_of_role("metering"))
    after = await measured_transports("key")
    assert {name for name in before if before[name] != after[name]} == {"MQTT: readings of households"}
