"""An issuer of access tokens with keys of its own, which serves its metadata and its key set over HTTP."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from twin.instant import SECOND, Instant

AUDIENCE = "https://twin.city.example"


class TokenIssuer:
    """Signs tokens; `available` False: its documents answer 503."""

    def __init__(self) -> None:
        self.url = ""
        self.available = True
        self.requests = 0
        self.metadata_requests = 0
        self.keys: dict[str, Any] = {}
        self.signing = ""
        self.rotate("key-1")

    def rotate(self, kid: str, *, keep: bool = False, curve: bool = False) -> None:
        """Sign with a new key from now on, and publish it; the one before only with `keep`."""
        parameters: Any = {"kid": kid, "use": "sig"}
        made = ECKey.generate_key("P-256", parameters) if curve else RSAKey.generate_key(2048, parameters)
        self.keys = {**(self.keys if keep else {}), kid: made}
        self.signing = kid

    def claims(self, now: Instant, **others: object) -> dict[str, object]:
        """Return the claims of a valid token; a claim that is None is left out."""
        now_s = now // SECOND
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "4711",
            "preferred_username": "j.devries",
            "iat": now_s,
            "exp": now_s + 900,
            "roles": ["twin-operator"],
            **others,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, claims: Mapping[str, object], **header: object) -> str:
        """Return a signed token."""
        key = self.keys[self.signing]
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        complete = {"alg": algorithm, "kid": self.signing, "typ": "at+jwt", **header}
        complete = {name: value for name, value in complete.items() if value is not None}
        return jwt.encode(complete, dict(claims), key, algorithms=[str(complete["alg"])])

    def token_of_secret(self, claims: Mapping[str, object]) -> str:
        """Return a token whose secret is the public key of the issuer, signed with HS256."""
        secret = self.keys[self.signing].as_pem(private=False)
        header = {"alg": "HS256", "kid": self.signing, "typ": "at+jwt"}
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, dict(claims)))
        signature = _base64url(hmac.digest(secret, signed, "sha256"))
        return b".".join((signed, signature)).decode()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[TokenIssuer]:
        """Serve the documents on a free port of this machine."""

        async def metadata(_: web.Request) -> web.Response:
            self.metadata_requests += 1
            return self._answer(
                {
                    "issuer": self.url,
                    "jwks_uri": f"{self.url}/jwks",
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                }
            )

        async def jwks(_: web.Request) -> web.Response:
            self.requests += 1
            return self._answer(KeySet(list(self.keys.values())).as_dict(private=False))

        app = web.Application()
        app.add_routes([web.get("/.well-known/openid-configuration", metadata), web.get("/jwks", jwks)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _answer(self, document: object) -> web.Response:
        return web.json_response(document) if self.available else web.Response(status=503)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
