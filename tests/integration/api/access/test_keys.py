"""API keys from a real database: created, used, revoked, and what each role may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, get_args

import httpx
import pytest
from psycopg import conninfo, sql

from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from storage.stores.tokens import TOKEN_PREFIX, create_token, revoke_token
from tests.support.cities.city_builder import plan_of
from tests.support.services.service_source import PostgresServer
from twin.model.city_model import CityModel
from twin.model.role import GRANTABLE_ROLES, Role

DEADLINE_S = 20.0
REVOKED_S_MAX = 2.0


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def city(database: str, model: CityModel) -> CityModel:
    """The city in the database; `city.7` is a household."""
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(model))
        return await load_model(connection, "city")


@pytest.fixture
async def keys(database: str) -> dict[Role, str]:
    """A key of each role."""
    async with await connect(database, role="test") as connection:
        return {role: await create_token(connection, f"of {role}", role) for role in GRANTABLE_ROLES}


@pytest.fixture
async def client(
    start_api: Any, kafka: str, database: str, city: CityModel
) -> AsyncIterator[httpx.AsyncClient]:
    async with start_api(kafka, model=city, database=database) as api:
        yield api.client


async def answered(ask: Callable[[], Awaitable[httpx.Response]], status: int) -> None:
    """Return once the response has this status."""
    async with asyncio.timeout(DEADLINE_S):
        while (await ask()).status_code != status:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


async def test_readings_of_a_household_are_for_the_role_metering_only(
    client: httpx.AsyncClient, city: CityModel, keys: dict[Role, str]
) -> None:
    (id,) = (one.id for one in city.datastreams_of("city.7", "pm2_5"))
    for role in ("anonymous", "operator of the settings", *get_args(Role)[1:]):
        headers = bearer(keys.get(role, "sesame")) if role != "anonymous" else {}
        expected = 200 if role == "metering" else 403
        for path in (f"/v1/datastreams/{id}", f"/v1/datastreams/{id}/observations"):
            assert (await client.get(path, headers=headers)).status_code == expected, role
        listed = (await client.get("/v1/datastreams", headers=headers)).json()["items"]
        assert (id in {one["id"] for one in listed}) == (role == "metering"), role


async def test_a_revoked_key_is_refused_within_two_seconds(
    client: httpx.AsyncClient, database: str, keys: dict[Role, str]
) -> None:
    async def ask() -> httpx.Response:
        return await client.get("/v1/entities", headers=bearer(keys["viewer"]))

    assert (await ask()).status_code == 200
    async with await connect(database, role="test") as connection:
        await revoke_token(connection, "of viewer")
    async with asyncio.timeout(REVOKED_S_MAX):
        await answered(ask, 401)
    assert (await client.get("/v1/entities", headers=bearer(keys["duty"]))).status_code == 200


async def test_a_key_that_was_never_issued_is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/v1/entities", "/v1/live", "/v1/quarantine"):
        response = await client.get(path, headers=bearer(f"{TOKEN_PREFIX}unknown"))
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_in_use_stays_valid_without_the_database_until_it_returns(
    client: httpx.AsyncClient, postgres: PostgresServer, database: str, keys: dict[Role, str]
) -> None:
    async def ask() -> httpx.Response:
        return await client.get("/v1/entities", headers=bearer(keys["operator"]))

    assert (await ask()).status_code == 200
    name = str(conninfo.conninfo_to_dict(database)["dbname"])
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    async with await postgres.connect_as_administrator() as connection:
        await connection.execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
    # An uncached key cannot be distinguished from an unknown one.
    await answered(lambda: client.get("/v1/entities", headers=bearer(keys["viewer"])), 503)
    assert (await ask()).status_code == 200
    async with await postgres.connect_as_administrator() as connection:
        await connection.execute(allow.format(sql.Identifier(name), sql.Literal(True)))
    await answered(lambda: client.get("/v1/entities", headers=bearer(keys["viewer"])), 200)
    async with await connect(database, role="test") as connection:
        await revoke_token(connection, "of operator")
    await answered(ask, 401)
