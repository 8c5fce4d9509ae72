"""Authentication: from the header `Authorization` of a request, or a credential elsewhere, to a principal."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers

from api.access.access_tokens import AccessTokens
from api.access.api_keys import ApiKeys
from api.access.principal import ANONYMOUS, Principal
from api.http.problems import ProblemError
from storage.stores.tokens import TOKEN_PREFIX

CHALLENGE = {"WWW-Authenticate": "Bearer"}

# Header, claims and signature of a JWT.
_POINTS = 2


class Authenticator:
    """Finds out who uses a credential: an API key, or an access token of an issuer."""

    def __init__(self, keys: ApiKeys, tokens: AccessTokens) -> None:
        self._keys = keys
        self._tokens = tokens

    async def principal_of(self, credential: str | None) -> Principal:
        """Return who uses a credential; None: nobody named.

        Raises a problem: 401 for one that is not valid, 503 when it cannot be checked.
        """
        if credential is None:
            return ANONYMOUS
        if self._is_token(credential):
            return await self._tokens.principal_of(credential)
        principal = await self._keys.principal_of(credential)
        if principal is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "The API key is unknown or was revoked; omit the header for anonymous access.",
                headers=CHALLENGE,
            )
        return principal

    def known_principal(self, credential: str | None) -> Principal | None:
        """Return who uses a credential that was valid at its last check, without a check; else None."""
        if credential is None:
            return None
        if self._is_token(credential):
            return self._tokens.known_principal(credential)
        return self._keys.known_principal(credential)

    def _is_token(self, credential: str) -> bool:
        return (
            self._tokens.accepted
            and credential.count(".") == _POINTS
            and not credential.startswith(TOKEN_PREFIX)
        )


def credential_of(headers: Headers) -> str | None:
    """Return the credential of a request, None without one. Raises a problem (401) for another scheme."""
    header = headers.get("authorization")
    if header is None:
        return None
    scheme, _, credential = header.partition(" ")
    if scheme.lower() != "bearer":
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            f"Authorization has the scheme {scheme[:20]!r}, expected 'Bearer' and an API key or a token.",
            headers=CHALLENGE,
        )
    return credential.strip()
