"""The public keys of an issuer of access tokens (JWKS, RFC 7517): downloaded, kept, and rotated.

A token that names an unknown key makes the set be downloaded again, at most once in `REFETCH_S`. While a
download fails the old set stays, so that an outage of the issuer ends no session. The URL comes from the
settings or from the issuer's metadata (OpenID Connect Discovery 1.0), never from a token.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from api.access.issuer_documents import (
    IssuerError,
    endpoint_of,
    fetch_document,
    fetch_metadata,
    issuer_session,
)

log = logging.getLogger(__name__)

REFETCH_S = 10.0
REFRESH_S = 600.0
"""A set is downloaded again after this, so that a key that the issuer withdrew is refused."""
KEYS_MAX = 100
# RFC 7518, 3.3.
_RSA_BITS_MIN = 2048


class KeySetError(IssuerError):
    """The keys of an issuer cannot be read."""


class IssuerKeys:
    """The keys of one issuer. `jwks_uri` None: it is in the metadata of the issuer."""

    def __init__(
        self,
        issuer: str,
        jwks_uri: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._monotonic = monotonic
        self._keys: dict[str, Key] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> Key | None:
        """Return the key with an id, None when the issuer has none. Raises KeySetError without any key."""
        now = self._monotonic()
        known = self._keys.get(kid)
        if known is not None:
            if self._fetched_s is None or now - self._fetched_s >= REFRESH_S:
                self._start_refresh(now)
            return known
        fetching = self._start_refresh(now)
        if fetching is not None:
            # The client of one request may go away while others wait for the same download.
            await asyncio.shield(fetching)
        if not self._keys:
            raise KeySetError(f"the keys of {self._issuer} cannot be downloaded")
        return self._keys.get(kid)

    def has(self, kid: str) -> bool:
        """Return whether the present set has a key."""
        return kid in self._keys

    async def settled(self) -> None:
        """Wait for a download that is in progress."""
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _start_refresh(self, now: float) -> asyncio.Task[None] | None:
        """Return the download in progress, else start one; None shortly after the last one."""
        if self._fetching is None and (self._tried_s is None or now - self._tried_s >= REFETCH_S):
            self._tried_s = now
            self._fetching = asyncio.create_task(self._fetch_and_keep(), name="issuer keys")
            self._fetching.add_done_callback(self._on_fetched)
        return self._fetching

    def _on_fetched(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_and_keep(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched_s = self._monotonic()
        except IssuerError as error:
            log.warning(
                "%s: %s; %s",
                self._issuer,
                error,
                "the keys of before stay valid" if self._keys else "its tokens cannot be checked",
                extra={"event": "api.issuer_keys_failed", "issuer": self._issuer},
            )

    async def _fetch(self) -> dict[str, Key]:
        async with issuer_session() as session:
            uri = self._jwks_uri or await self._discovered_uri(session)
            return read_key_set(await fetch_document(session, uri))

    async def _discovered_uri(self, session: aiohttp.ClientSession) -> str:
        return endpoint_of(await fetch_metadata(session, self._issuer), "jwks_uri")


def read_key_set(document: dict[str, Any]) -> dict[str, Key]:
    """Return the keys for signatures of a JWKS by their id; keys of other kinds are left out.

    Raises KeySetError when there is none.
    """
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise KeySetError(f"the key set has no list `keys` of at most {KEYS_MAX}")
    keys: dict[str, Key] = {}
    for each in listed:
        if not isinstance(each, dict) or not isinstance(each.get("kid"), str) or each.get("use") == "enc":
            continue
        if each.get("kty") not in ("RSA", "EC", "OKP"):
            continue  # A symmetric key would let the issuer's clients sign.
        try:
            (key,) = KeySet.import_key_set({"keys": [each]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey) and key.raw_value.key_size < _RSA_BITS_MIN:
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            keys[each["kid"]] = key
    if not keys:
        raise KeySetError("the key set has no public key for signatures with a `kid`")
    return keys
