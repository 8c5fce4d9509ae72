"""Access tokens: which are accepted, whom they stand for, and how the keys of their issuer are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
from pydantic import ValidationError

from api.access.access_tokens import LEEWAY_S, TOKEN_LENGTH_MAX, AccessTokens
from api.access.issuer_settings import IssuerSettings
from api.access.key_set import KEYS_MAX, REFETCH_S, REFRESH_S, KeySetError, read_key_set
from api.access.principal import Principal
from api.http.problems import ProblemError
from tests.support.http.token_issuer import AUDIENCE, TokenIssuer
from twin.instant import SECOND, Instant, parse_instant

NOW = parse_instant("2026-12-01T12:00:00Z")
ROLES = {"twin-operator": "operator", "twin-viewer": "viewer", "twin-meters": "metering"}


class Clocks:
    """The wall clock and the monotonic clock, which stand still until they are moved."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def wall(self) -> Instant:
        return NOW + int(self.passed_s * SECOND)

    def monotonic(self) -> float:
        return 100.0 + self.passed_s


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with TokenIssuer().serve() as served:
        yield served


def settings(served: TokenIssuer, /, **others: Any) -> IssuerSettings:
    return IssuerSettings.model_validate(
        {"id": "sso", "issuer": served.url, "audience": AUDIENCE, "roles": ROLES, **others}
    )


@pytest.fixture
def tokens(issuer: TokenIssuer, clocks: Clocks) -> AccessTokens:
    return AccessTokens([settings(issuer)], clocks.wall, clocks.monotonic)


async def refused(tokens: AccessTokens, token: str, reason: str) -> None:
    with pytest.raises(ProblemError) as caught:
        await tokens.principal_of(token)
    assert caught.value.status is HTTPStatus.UNAUTHORIZED
    assert caught.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert reason in caught.value.detail
    assert tokens.known_principal(token) is None


async def test_a_valid_token_stands_for_its_person(issuer: TokenIssuer, tokens: AccessTokens) -> None:
    token = issuer.token(issuer.claims(NOW))
    assert tokens.known_principal(token) is None
    expires = NOW + (900 + LEEWAY_S) * SECOND
    expected = Principal("j.devries (sso)", "operator", None, expires)
    assert await tokens.principal_of(token) == expected
    assert tokens.known_principal(token) == expected
    assert await tokens.principal_of(token) == expected
    assert issuer.requests == 1


@pytest.mark.parametrize("curve", [False, True])
async def test_a_token_of_each_kind_of_key_is_accepted(
    issuer: TokenIssuer, tokens: AccessTokens, curve: bool
) -> None:
    issuer.rotate("k", curve=curve)
    assert (await tokens.principal_of(issuer.token(issuer.claims(NOW)))).role == "operator"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://elsewhere.example"}, "is not accepted here"),
        ({"aud": "https://other.example"}, "its audience does not contain"),
        ({"aud": None}, "its audience does not contain"),
        ({"exp": None}, "no time of expiry"),
        ({"exp": NOW // SECOND - LEEWAY_S}, "it has expired"),
        ({"exp": "soon"}, "its exp is no time"),
        ({"exp": True}, "its exp is no time"),
        ({"nbf": NOW // SECOND + LEEWAY_S + 1}, "not valid yet (nbf)"),
        ({"iat": NOW // SECOND + LEEWAY_S + 1}, "not valid yet (iat)"),
        ({"sub": None}, "names nobody"),
        ({"preferred_username": "a\nb"}, "cannot be shown"),
    ],
)
async def test_a_token_with_other_claims_is_refused_with_the_reason(
    issuer: TokenIssuer, tokens: AccessTokens, claims: dict[str, object], reason: str
) -> None:
    await refused(tokens, issuer.token(issuer.claims(NOW, **claims)), reason)


async def test_the_skew_of_a_clock_is_allowed_for(issuer: TokenIssuer, tokens: AccessTokens) -> None:
    now_s = NOW // SECOND
    claims = issuer.claims(NOW, exp=now_s - LEEWAY_S + 1, nbf=now_s + LEEWAY_S, iat=now_s + LEEWAY_S)
    assert (await tokens.principal_of(issuer.token(claims))).role == "operator"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"typ": "JWT"}, "expected at+jwt"),
        ({"typ": None}, "expected at+jwt"),
        ({"kid": None}, "names no key"),
        ({"kid": "other"}, "is not one of its issuer"),
        ({"alg": "RS512"}, "its algorithm is 'RS512'"),
    ],
)
async def test_a_token_with_another_header_is_refused_with_the_reason(
    issuer: TokenIssuer, tokens: AccessTokens, header: dict[str, object], reason: str
) -> None:
    await refused(tokens, issuer.token(issuer.claims(NOW), **header), reason)


async def test_no_token_chooses_how_it_is_checked(issuer: TokenIssuer, tokens: AccessTokens) -> None:
    claims = issuer.claims(NOW)
    valid = issuer.token(claims)
    header, body, signature = valid.split(".")
    nobody = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoia2V5LTEifQ"  # {"alg":"none",…}
    await refused(tokens, f"{nobody}.{body}.", "its algorithm is 'none'")
    await refused(tokens, issuer.token_of_secret(claims), "its algorithm is 'HS256'")
    await refused(tokens, f"{header}.{body}.{signature[:-4]}AAAA", "its signature is not valid")
    other = issuer.token(issuer.claims(NOW, sub="1")).split(".")[1]
    await refused(tokens, f"{header}.{other}.{signature}", "its signature is not valid")
    # The keys are those of the settings, wherever a token says that others are.
    elsewhere = issuer.token(claims, jku="https://evil.example/jwks")
    assert (await tokens.principal_of(elsewhere)).role == "operator"
    assert issuer.requests == 1


@pytest.mark.parametrize("token", ["a.b.c", "a.b", "....", "é.é.é", "e30.e30.", "W10.W10.x"])
async def test_what_is_no_token_is_refused(tokens: AccessTokens, token: str) -> None:
    await refused(tokens, token, "The access token is not valid")


async def test_a_token_that_is_too_long_is_not_read(issuer: TokenIssuer, tokens: AccessTokens) -> None:
    await refused(tokens, issuer.token(issuer.claims(NOW, more="x" * TOKEN_LENGTH_MAX)), "the limit is")
    assert issuer.requests == 0


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["twin-viewer", "twin-operator", "other"], "operator"),
        ("twin-viewer other", "viewer"),
        (["twin-meters"], "metering"),
        (["other"], "anonymous"),
        (None, "anonymous"),
        ({"twin-operator": True}, "anonymous"),
    ],
)
async def test_only_mapped_values_of_the_claim_grant_a_role(
    issuer: TokenIssuer, tokens: AccessTokens, roles: object, expected: str
) -> None:
    assert (await tokens.principal_of(issuer.token(issuer.claims(NOW, roles=roles)))).role == expected


async def test_claims_are_found_by_path(issuer: TokenIssuer, clocks: Clocks) -> None:
    tokens = AccessTokens(
        [settings(issuer, rolesClaim="realm_access.roles", areasClaim="areas", nameClaim="email")],
        clocks.wall,
        clocks.monotonic,
    )
    claims = issuer.claims(NOW, roles=None, realm_access={"roles": ["twin-operator"]}, areas=["city.east", 7])
    principal = await tokens.principal_of(issuer.token(claims))
    assert principal.name == "4711 (sso)"
    assert (principal.role, principal.areas) == ("operator", frozenset({"city.east"}))
    everywhere = await tokens.principal_of(issuer.token({**claims, "areas": "*"}))
    assert everywhere.areas is None
    del claims["areas"]
    # Deny by default: who has no area has the role nowhere.
    assert (await tokens.principal_of(issuer.token(claims))).areas == frozenset()


async def test_only_listed_clients_are_accepted_where_some_are_listed(
    issuer: TokenIssuer, clocks: Clocks
) -> None:
    tokens = AccessTokens([settings(issuer, clients=["page"])], clocks.wall, clocks.monotonic)
    assert (await tokens.principal_of(issuer.token(issuer.claims(NOW, azp="page")))).role == "operator"
    await refused(tokens, issuer.token(issuer.claims(NOW, azp="game")), "its client 'game'")
    await refused(tokens, issuer.token(issuer.claims(NOW)), "its client 'None'")


async def test_a_token_ends_with_its_time(issuer: TokenIssuer, tokens: AccessTokens, clocks: Clocks) -> None:
    token = issuer.token(issuer.claims(NOW))
    await tokens.principal_of(token)
    clocks.passed_s = 900 + LEEWAY_S
    await refused(tokens, token, "it has expired")


async def test_keys_are_rotated(issuer: TokenIssuer, tokens: AccessTokens, clocks: Clocks) -> None:
    first = issuer.token(issuer.claims(NOW))
    await tokens.principal_of(first)
    issuer.rotate("key-2", keep=True)
    second = issuer.token(issuer.claims(NOW))
    await refused(tokens, second, "its key 'key-2' is not one of its issuer")
    clocks.passed_s += REFETCH_S
    assert (await tokens.principal_of(second)).role == "operator"
    assert (await tokens.principal_of(first)).role == "operator"
    assert issuer.requests == 2


async def test_a_withdrawn_key_is_refused_after_the_next_download(
    issuer: TokenIssuer, clocks: Clocks
) -> None:
    tokens = AccessTokens([settings(issuer)], clocks.wall, clocks.monotonic)
    claims = issuer.claims(NOW, exp=NOW // SECOND + 10 * int(REFRESH_S))
    token = issuer.token(claims)
    await tokens.principal_of(token)
    issuer.rotate("key-2")
    clocks.passed_s += REFRESH_S
    # The download does not delay the request that starts it.
    assert (await tokens.principal_of(token)).role == "operator"
    await tokens.settled()
    await refused(tokens, token, "its key 'key-1' is not one of its issuer")


async def test_an_outage_of_the_issuer_ends_no_session(
    issuer: TokenIssuer, tokens: AccessTokens, clocks: Clocks
) -> None:
    claims = issuer.claims(NOW, exp=NOW // SECOND + 10 * int(REFRESH_S))
    token = issuer.token(claims)
    await tokens.principal_of(token)
    issuer.available = False
    clocks.passed_s += REFRESH_S
    await tokens.principal_of(token)
    await tokens.settled()
    assert (await tokens.principal_of(token)).role == "operator"


async def test_without_any_key_a_token_cannot_be_checked(
    issuer: TokenIssuer, tokens: AccessTokens, clocks: Clocks
) -> None:
    issuer.available = False
    token = issuer.token(issuer.claims(NOW))
    for _ in range(2):
        with pytest.raises(ProblemError) as caught:
            await tokens.principal_of(token)
        assert caught.value.status is HTTPStatus.SERVICE_UNAVAILABLE
        assert "Retry-After" in caught.value.headers
    issuer.available = True
    clocks.passed_s += REFETCH_S
    assert (await tokens.principal_of(token)).role == "operator"


async def test_tokens_of_unknown_keys_cause_one_download_at_a_time(
    issuer: TokenIssuer, tokens: AccessTokens
) -> None:
    await tokens.principal_of(issuer.token(issuer.claims(NOW)))
    for number in range(20):
        await refused(tokens, issuer.token(issuer.claims(NOW), kid=f"guess-{number}"), "is not one of")
    assert issuer.requests == 1


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://sso.city.example"},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"roles": {"everybody": "anonymous"}},
        {"jwksUri": "ftp://sso.city.example/keys"},
        {"id": "With Space"},
        {"unknown": 1},
    ],
)
async def test_unsafe_settings_are_refused(issuer: TokenIssuer, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(issuer, **change)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keys": []},
        {"keys": [{}] * (KEYS_MAX + 1)},
        {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]},
        {"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]},
        {"keys": ["text", {"kty": "EC", "kid": "a", "crv": "P-256", "x": "?", "y": "?"}]},
    ],
)
def test_a_key_set_without_a_usable_key_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(KeySetError):
        read_key_set(document)
