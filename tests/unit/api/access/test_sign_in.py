"""What the page is told to sign people in: which issuers it can work with, and how often they are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError

from api.access.issuer_documents import URL_CHARACTERS_MAX, IssuerError, origin_of
from api.access.issuer_settings import IssuerSettings
from api.access.sign_in import REFETCH_S, REFRESH_S, Endpoints, SignIn, read_endpoints, sign_ins_of
from api.http.response_headers import content_security_policy
from api.settings import ApiSettings
from tests.support.http.token_issuer import AUDIENCE, TokenIssuer

ISSUER = "https://sso.example/realms/city"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "end_session_endpoint": f"{ISSUER}/logout",
    "response_types_supported": ["code"],
    "code_challenge_methods_supported": ["plain", "S256"],
    "authorization_response_iss_parameter_supported": True,
}


def issuer_settings(**others: object) -> IssuerSettings:
    return IssuerSettings.model_validate(
        {
            "id": "sso",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "roles": {"o": "operator"},
            "page": {"clientId": "page"},
            **others,
        }
    )


def api_settings(*issuers: IssuerSettings) -> ApiSettings:
    return ApiSettings(
        city="city", kafka="127.0.0.1:9", database="postgresql://x@127.0.0.1:9/x", oidc=issuers
    )


def test_endpoints_are_those_of_the_metadata() -> None:
    assert read_endpoints(METADATA, origin_of(ISSUER)) == Endpoints(
        f"{ISSUER}/authorize", f"{ISSUER}/token", f"{ISSUER}/logout", names_itself=True
    )


def test_an_issuer_may_say_little() -> None:
    """Some leave out that they support PKCE."""
    needed = {name: METADATA[name] for name in ("issuer", "authorization_endpoint", "token_endpoint")}
    found = read_endpoints(needed, origin_of(ISSUER))
    assert (found.end_session, found.names_itself) == (None, False)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"authorization_endpoint": None}, "the authorization_endpoint 'None', expected an https URL"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "expected an https URL"),
        ({"token_endpoint": "http://sso.example/token"}, "expected an https URL"),
        ({"token_endpoint": f"{ISSUER}/{'t' * URL_CHARACTERS_MAX}"}, "expected an https URL"),
        ({"token_endpoint": "https://token.example/token"}, "set page.tokenOrigin"),
        ({"end_session_endpoint": "http://sso.example/logout"}, "expected an https URL"),
        ({"response_types_supported": ["id_token"]}, "expected code among them"),
        ({"code_challenge_methods_supported": ["plain"]}, "expected S256 among them"),
    ],
)
def test_an_issuer_with_which_the_page_cannot_work_is_refused_with_the_reason(
    others: dict[str, object], reason: str
) -> None:
    with pytest.raises(IssuerError, match=reason):
        read_endpoints({**METADATA, **others}, origin_of(ISSUER))


def test_the_page_may_connect_to_exactly_the_origins_of_token_endpoints() -> None:
    elsewhere = {"clientId": "page", "tokenOrigin": "https://token.example/x"}
    issuers = (
        issuer_settings(),
        issuer_settings(id="two", page=elsewhere),
        issuer_settings(id="three", page=None),
    )
    origins = api_settings(*issuers).sign_in_origins
    assert origins == ("https://sso.example", "https://token.example")
    policy = content_security_policy(None, origins)
    assert "connect-src 'self' https://sso.example https://token.example;" in policy
    assert policy.count("sso.example") == 1
    assert set(sign_ins_of(issuers)) == {"sso", "two"}


@pytest.mark.parametrize(
    "others",
    [
        {"clients": ["another"]},
        {"page": {"clientId": ""}},
        {"page": {"clientId": "page", "clientSecret": "s"}},
        {"page": {"clientId": "page", "scopes": []}},
        {"page": {"clientId": "page", "scopes": ["openid profile"]}},
        {"page": {"clientId": "page", "scopes": ["s"] * 21}},
        {"page": {"clientId": "page", "resource": "https://a b"}},
        {"page": {"clientId": "page", "tokenOrigin": "https://a;script-src *"}},
    ],
)
def test_settings_that_cannot_work_are_refused(others: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        issuer_settings(**others)


def test_two_issuers_of_one_id_are_refused() -> None:
    with pytest.raises(ValidationError, match="another id"):
        api_settings(issuer_settings(), issuer_settings(issuer="https://other.example"))


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with TokenIssuer().serve() as served:
        yield served


async def test_metadata_is_kept_and_a_failure_is_asked_again_after_a_time(issuer: TokenIssuer) -> None:
    now_s = 100.0
    settings = issuer_settings(issuer=issuer.url)
    assert settings.page is not None
    sign_in = SignIn(settings, settings.page, lambda: now_s)
    issuer.available = False
    for _ in range(3):
        with pytest.raises(IssuerError, match="answers 503, expected 200"):
            await sign_in.endpoints()
    assert issuer.metadata_requests == 1
    issuer.available = True
    now_s += REFETCH_S
    found = await sign_in.endpoints()
    assert found.token == f"{issuer.url}/token"
    assert await sign_in.endpoints() == found
    assert issuer.metadata_requests == 2
    # It is read again in the background, and an outage takes nothing away.
    issuer.available = False
    now_s += REFRESH_S
    assert await sign_in.endpoints() == found
    await sign_in.settled()
    assert await sign_in.endpoints() == found
    assert issuer.metadata_requests == 3
