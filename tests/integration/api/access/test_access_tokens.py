"""Access tokens of a real OpenID provider: roles, areas, and a new key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from api.access import key_set
from cli.embedded.ports import free_port
from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from tests.support.cities.city_builder import plan_of
from tests.support.services.openid_provider import ALGORITHM, AUDIENCE, openid_provider, signing_key
from twin.model.city_model import CityModel

HOUSE = "city.7"  # a household; see the model of these tests

CLAIMS: Mapping[str, Mapping[str, object]] = {
    "desk": {"groups": ["twin-operator"], "areas": "*"},
    "east-desk": {"groups": ["twin-operator"], "areas": ["city.1"]},
    "settlement": {"groups": ["twin-metering"], "areas": [HOUSE]},
    "other-settlement": {"groups": ["twin-metering"], "areas": ["city.1"]},
    "game": {"groups": ["player"], "areas": "*"},
}


@pytest.fixture
async def city(database: str, model: CityModel) -> CityModel:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(model))
        return await load_model(connection, "city")


@pytest.fixture
def provider_port() -> int:
    return free_port()


@pytest.fixture
async def client(
    start_api: Any, kafka: str, database: str, city: CityModel, provider_port: int
) -> AsyncIterator[httpx.AsyncClient]:
    issuer = {
        "id": "sso",
        "issuer": f"http://127.0.0.1:{provider_port}",
        "audience": AUDIENCE,
        "algorithms": [ALGORITHM],
        "rolesClaim": "groups",
        "roles": {"twin-operator": "operator", "twin-metering": "metering"},
        "areasClaim": "areas",
    }
    async with start_api(kafka, model=city, database=database, oidc=[issuer]) as api:
        yield api.client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_tokens_have_their_roles_and_areas(
    client: httpx.AsyncClient, city: CityModel, provider_port: int
) -> None:
    (id,) = (one.id for one in city.datastreams_of(HOUSE, "pm2_5"))
    async with openid_provider(provider_port, [signing_key("a")], CLAIMS) as provider:
        tokens = {client: await provider.token(client) for client in CLAIMS}
        whole = await client.get("/v1/notifications", headers=bearer(tokens["desk"]))
        assert whole.status_code == 200
        for refused in ("east-desk", "settlement", "game"):
            response = await client.get("/v1/notifications", headers=bearer(tokens[refused]))
            assert response.status_code == 403, refused
            assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
        path = f"/v1/datastreams/{id}/observations"
        seen = {
            name: (await client.get(path, headers=bearer(token))).status_code
            for name, token in tokens.items()
        }
    assert seen == {
        "desk": 403,
        "east-desk": 403,
        "settlement": 200,
        "other-settlement": 403,
        "game": 403,
    }


async def test_a_provider_changes_its_key_and_may_be_away(
    client: httpx.AsyncClient, provider_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def status(token: str) -> int:
        return (await client.get("/v1/subscriptions", headers=bearer(token))).status_code

    # The time between two downloads has its own tests.
    monkeypatch.setattr(key_set, "REFETCH_S", 0.0)
    first, second = signing_key("a"), signing_key("b")
    async with openid_provider(provider_port, [first], CLAIMS) as provider:
        old = await provider.token("desk")
        assert await status(old) == 200
    assert await status(old) == 200
    async with openid_provider(provider_port, [second, first], CLAIMS) as provider:
        new = await provider.token("desk")
        assert [await status(token) for token in (new, old)] == [200, 200]
    async with openid_provider(provider_port, [signing_key("c")], CLAIMS) as provider:
        newest = await provider.token("desk")
        assert [await status(token) for token in (newest, old)] == [200, 401]


async def test_nobody_reads_with_a_token_of_another_provider(
    client: httpx.AsyncClient, provider_port: int
) -> None:
    async with openid_provider(free_port(), [signing_key("a")], CLAIMS) as provider:
        response = await client.get("/v1/entities", headers=bearer(await provider.token("desk")))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
