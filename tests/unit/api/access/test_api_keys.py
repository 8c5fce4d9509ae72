"""API keys: how long they are cached, and which are valid without the database."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest
from pydantic import SecretStr

from api.access.api_keys import CACHE_S, KEYS_MAX, LOOKUP_WAIT_S, OPERATOR_KEY, ApiKeys
from api.access.principal import Principal
from api.http.problems import ProblemError
from storage.stores.tokens import TOKEN_PREFIX, TokenGrant, token_digest
from twin.model.role import Role

KEY = f"{TOKEN_PREFIX}abc"
DESK = Principal("desk", "viewer")


class Stored:
    """Keys in a database that can be unavailable, and hang."""

    def __init__(self) -> None:
        self.grants: dict[bytes, TokenGrant] = {}
        self.away = False
        self.asked = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    def add(self, key: str, role: Role = "viewer") -> None:
        self.grants[token_digest(key)] = TokenGrant("desk", role, None)

    async def grant(self, hashed: bytes) -> TokenGrant | None:
        self.asked += 1
        await self.goes_on.wait()
        if self.away:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "away")
        return self.grants.get(hashed)


class Seconds:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def keys(stored: Stored, seconds: Seconds) -> ApiKeys:
    return ApiKeys(SecretStr("sesame"), stored.grant, seconds)


async def test_the_key_of_the_settings_is_an_operator_without_a_database(
    keys: ApiKeys, stored: Stored
) -> None:
    stored.away = True
    assert await keys.principal_of("sesame") == OPERATOR_KEY
    assert stored.asked == 0


async def test_a_key_has_the_name_the_role_and_the_areas_that_are_stored(
    keys: ApiKeys, stored: Stored
) -> None:
    stored.grants[token_digest(KEY)] = TokenGrant("east desk", "operator", ("city.east",))
    assert await keys.principal_of(KEY) == Principal("east desk", "operator", frozenset({"city.east"}))
    assert keys.known_principal(KEY) == await keys.principal_of(KEY)
    assert keys.known_principal(KEY + "x") is None


async def test_a_key_without_our_prefix_is_refused_without_a_lookup(keys: ApiKeys, stored: Stored) -> None:
    stored.away = True
    assert await keys.principal_of("open sesame") is None
    assert stored.asked == 0


async def test_a_cached_key_is_looked_up_again_later(keys: ApiKeys, stored: Stored, seconds: Seconds) -> None:
    stored.add(KEY, "duty")
    assert await keys.principal_of(KEY) == Principal("desk", "duty")
    assert await keys.principal_of(KEY) == Principal("desk", "duty")
    assert stored.asked == 1
    stored.grants.clear()
    seconds.now += CACHE_S + 0.1
    assert await keys.principal_of(KEY) is None
    assert stored.asked == 2


async def test_a_cached_key_stays_valid_without_the_database_and_others_get_503(
    keys: ApiKeys, stored: Stored, seconds: Seconds
) -> None:
    stored.add(KEY)
    await keys.principal_of(KEY)
    stored.away = True
    seconds.now += 3600
    assert await keys.principal_of(KEY) == DESK
    with pytest.raises(ProblemError) as caught:
        await keys.principal_of(f"{TOKEN_PREFIX}other")
    assert caught.value.status is HTTPStatus.SERVICE_UNAVAILABLE
    stored.away = False
    stored.grants.clear()
    assert await keys.principal_of(KEY) is None


async def test_while_the_database_hangs_only_the_first_request_of_a_key_waits(
    keys: ApiKeys, stored: Stored, seconds: Seconds
) -> None:
    stored.add(KEY)
    await keys.principal_of(KEY)
    seconds.now += CACHE_S + 0.1
    stored.goes_on.clear()
    assert await keys.principal_of(KEY) == DESK
    seconds.now += LOOKUP_WAIT_S
    async with asyncio.timeout(LOOKUP_WAIT_S / 2):
        assert await keys.principal_of(KEY) == DESK
    assert stored.asked == 2
    stored.grants.clear()
    stored.goes_on.set()
    async with asyncio.timeout(10):
        while await keys.principal_of(KEY) is not None:  # noqa: ASYNC110 - the lookup ends by itself
            await asyncio.sleep(0)


async def test_concurrent_requests_with_one_key_share_a_lookup(keys: ApiKeys, stored: Stored) -> None:
    stored.add(KEY)
    assert await asyncio.gather(*(keys.principal_of(KEY) for _ in range(20))) == [DESK] * 20
    assert stored.asked == 1


async def test_unknown_keys_evict_no_valid_key_and_the_cache_is_bounded(
    keys: ApiKeys, stored: Stored
) -> None:
    stored.add(KEY)
    await keys.principal_of(KEY)
    for number in range(KEYS_MAX + 1):
        assert await keys.principal_of(f"{TOKEN_PREFIX}wrong-{number}") is None
    lookups = stored.asked
    assert await keys.principal_of(KEY) == DESK
    assert stored.asked == lookups
    for number in range(KEYS_MAX):
        stored.add(f"{TOKEN_PREFIX}{number}")
        await keys.principal_of(f"{TOKEN_PREFIX}{number}")
    assert await keys.principal_of(KEY) == DESK
    assert stored.asked == lookups + KEYS_MAX + 1
