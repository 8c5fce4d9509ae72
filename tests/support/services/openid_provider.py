"""A real OpenID provider (npm's oidc-provider), which gives access tokens to programs and to pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from joserfc.jwk import RSAKey

from tests.support.repository import ROOT

AUDIENCE = "https://twin.city.example"
ALGORITHM = "PS256"
_FOLDER: Path = ROOT / "tests" / "issuer"
_SECRET = "s" * 32
REDIRECTS_MAX = 10


class OpenIdProvider:
    """A provider that runs; its clients are programs with fixed claims."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"

    async def token(self, client: str) -> str:
        """Return an access token of a client."""
        async with httpx.AsyncClient() as http:
            response = await http.post(
                f"{self.issuer}/token", data={"grant_type": "client_credentials"}, auth=(client, _SECRET)
            )
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])


class Browser:
    """A browser at a provider, as far as a page uses it: it follows redirects, and keeps cookies."""

    def __init__(self, sign_in: Mapping[str, Any]) -> None:
        self._sign_in = sign_in  #: as the api gives it to the page
        self._verifier = secrets.token_urlsafe(48)

    async def code(self) -> Mapping[str, str]:
        """Sign in, and return what the page gets in its address: `code`, `state` and `iss`."""
        digest = hashlib.sha256(self._verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._sign_in["clientId"],
            "redirect_uri": self._sign_in["redirectUri"],
            "scope": " ".join(self._sign_in["scopes"]),
            "resource": self._sign_in["resource"],
            "state": "s-1",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        url = httpx.URL(self._sign_in["authorizationEndpoint"], params=query)
        async with httpx.AsyncClient() as http:
            for _ in range(REDIRECTS_MAX):
                response = await http.get(url)
                assert response.status_code in (302, 303), response.text
                url = response.url.join(response.headers["location"])
                if str(url).startswith(self._sign_in["redirectUri"]):
                    return dict(url.params)
        raise AssertionError(f"the provider does not return to the page; it is at {url}")

    async def exchange(self, code: str, verifier: str | None = None) -> httpx.Response:
        """Return the answer to the code, as a script of the page's origin gets it."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self._sign_in["clientId"],
            "redirect_uri": self._sign_in["redirectUri"],
            "code": code,
            "code_verifier": verifier or self._verifier,
            "resource": self._sign_in["resource"],
        }
        origin = self._sign_in["redirectUri"].rstrip("/")
        async with httpx.AsyncClient() as http:
            return await http.post(self._sign_in["tokenEndpoint"], data=form, headers={"Origin": origin})


def signing_key(kid: str) -> dict[str, Any]:
    """Return a new private key as a JWK."""
    key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": ALGORITHM})
    return dict(key.as_dict(private=True))


@asynccontextmanager
async def openid_provider(
    port: int,
    keys: Sequence[dict[str, Any]],
    claims: Mapping[str, Mapping[str, object]],
    pages: Mapping[str, Mapping[str, object]] | None = None,
) -> AsyncIterator[OpenIdProvider]:
    """Run a provider that signs with the first key; `claims` are those of each client that is a program.

    `pages` has the `redirectUri` and the `claims` of each client that is a page.
    """
    configuration = {
        "port": port,
        "audience": AUDIENCE,
        "algorithm": ALGORITHM,
        "jwks": {"keys": list(keys)},
        "clients": {client: {"secret": _SECRET, "claims": each} for client, each in claims.items()},
        "pages": pages or {},
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        str(_FOLDER / "issuer.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(configuration).encode())
        process.stdin.close()
        assert await process.stdout.readline() == b"ready\n"
        yield OpenIdProvider(port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
