"""A real OpenID provider (npm's oidc-provider), which gives access tokens to programs."""

from __future__ import annotations

import asyncio
import json
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


def signing_key(kid: str) -> dict[str, Any]:
    """Return a new private key as a JWK."""
    key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": ALGORITHM})
    return dict(key.as_dict(private=True))


@asynccontextmanager
async def openid_provider(
    port: int, keys: Sequence[dict[str, Any]], claims: Mapping[str, Mapping[str, object]]
) -> AsyncIterator[OpenIdProvider]:
    """Run a provider that signs with the first key; `claims` are those of each client."""
    configuration = {
        "port": port,
        "audience": AUDIENCE,
        "algorithm": ALGORITHM,
        "jwks": {"keys": list(keys)},
        "clients": {client: {"secret": _SECRET, "claims": each} for client, each in claims.items()},
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
