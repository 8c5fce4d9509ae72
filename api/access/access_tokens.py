"""Access tokens of OpenID Connect issuers: JWTs (RFC 9068) whose signature and claims are checked here.

Rules of the Dutch OAuth profile (NL GOV, Protected Resource Profile 1.1): listed issuers, asymmetric
algorithms, an audience of our own, at most 60 s of clock skew. The algorithm is one of the issuer's settings,
never what a token asks for; `jku`, `jwk` and `x5u` in a token are ignored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, cast

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError

from api.access.issuer_settings import IssuerSettings, highest_role
from api.access.key_set import IssuerKeys, KeySetError
from api.access.principal import Principal
from api.http.problems import ProblemError, unavailable
from runtime.clock import Clock
from twin.instant import SECOND
from twin.model.role import Role
from twin.wire.codec import DECODE_ERRORS

LEEWAY_S = 60
TOKEN_LENGTH_MAX = 16 * 1024
TOKENS_MAX = 1_000
NAME_LENGTH_MAX = 100
AREAS_MAX = 100
WHOLE_CITY = "*"
_RETRY_AFTER_S = 10


class _Checked(NamedTuple):
    principal: Principal
    issuer: IssuerKeys
    kid: str


@dataclass(frozen=True, slots=True)
class _Issuer:
    settings: IssuerSettings
    keys: IssuerKeys


class AccessTokens:
    """Checks tokens, and remembers those that were valid until they expire or their key is withdrawn."""

    def __init__(
        self,
        issuers: Iterable[IssuerSettings],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuers = {
            each.issuer: _Issuer(each, IssuerKeys(each.issuer, each.jwks_uri, monotonic)) for each in issuers
        }
        self._clock = clock
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    @property
    def accepted(self) -> bool:
        """Whether any issuer is configured."""
        return bool(self._issuers)

    async def principal_of(self, token: str) -> Principal:
        """Return who a token stands for.

        Raises a problem: 401 with the reason for a token that is not valid, 503 while the keys of its issuer
        cannot be had.
        """
        if len(token) > TOKEN_LENGTH_MAX:
            raise invalid_token(f"it has {len(token)} characters, the limit is {TOKEN_LENGTH_MAX}")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known(digest)
        if known is not None:
            # Asking keeps the keys fresh, so that a withdrawn one is noticed.
            if await known.issuer.key(known.kid) is not None:
                self._checked.move_to_end(digest)
                return known.principal
            del self._checked[digest]
        checked = await self._check(token)
        self._checked[digest] = checked
        while len(self._checked) > TOKENS_MAX:
            self._checked.popitem(last=False)
        return checked.principal

    def known_principal(self, token: str) -> Principal | None:
        """Return who a token stands for that was valid at its last check; None for every other token."""
        if len(token) > TOKEN_LENGTH_MAX:
            return None
        known = self._known(hashlib.sha256(token.encode()).digest())
        return known.principal if known is not None else None

    async def settled(self) -> None:
        """Wait for the downloads of keys that are in progress."""
        for issuer in self._issuers.values():
            await issuer.keys.settled()

    def _known(self, digest: bytes) -> _Checked | None:
        known = self._checked.get(digest)
        if known is None or not known.issuer.has(known.kid):
            return None
        expires = known.principal.expires
        return known if expires is None or self._clock() < expires else None

    async def _check(self, token: str) -> _Checked:
        header, unverified = _parts_of(token)
        issuer = self._issuers.get(str(unverified.get("iss")))
        if issuer is None:
            raise invalid_token(f"its issuer {str(unverified.get('iss'))[:100]!r} is not accepted here")
        settings = issuer.settings
        _check_header(header, settings)
        kid = str(header["kid"])
        try:
            key = await issuer.keys.key(kid)
        except KeySetError as error:
            raise unavailable(f"The access token cannot be checked: {error}.", _RETRY_AFTER_S) from None
        if key is None:
            raise invalid_token(f"its key {kid[:100]!r} is not one of its issuer")
        try:
            claims = jwt.decode(token, key, algorithms=[str(header["alg"])]).claims
        except (JoseError, ValueError, TypeError) as error:
            raise invalid_token(f"its signature is not valid ({type(error).__name__})") from None
        return _Checked(self._principal(claims, settings), issuer.keys, kid)

    def _principal(self, claims: Mapping[str, Any], settings: IssuerSettings) -> Principal:
        now_s = self._clock() / SECOND
        if claims.get("iss") != settings.issuer:
            raise invalid_token("its issuer is not accepted here")
        if settings.audience not in _texts(claims.get("aud")):
            raise invalid_token(f"its audience does not contain {settings.audience!r}")
        expires_s = _time(claims, "exp")
        if expires_s is None:
            raise invalid_token("it has no time of expiry (exp)")
        if now_s >= expires_s + LEEWAY_S:
            raise invalid_token("it has expired")
        for name in ("nbf", "iat"):
            time_s = _time(claims, name)
            if time_s is not None and time_s > now_s + LEEWAY_S:
                raise invalid_token(f"it is not valid yet ({name})")
        client = claims.get("azp", claims.get("client_id"))
        if settings.clients and client not in settings.clients:
            raise invalid_token(f"its client {str(client)[:100]!r} is not accepted here")
        return Principal(
            _name(claims, settings),
            _role(claims, settings),
            _areas(claims, settings),
            int((expires_s + LEEWAY_S) * SECOND),
        )


def invalid_token(reason: str) -> ProblemError:
    """Return the problem (401) of a token that is not valid (RFC 6750, 3.1)."""
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        f"The access token is not valid: {reason}.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def _parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims of a token, not verified."""
    parts = token.split(".")
    if len(parts) != 3:
        raise invalid_token("expected three parts, separated by points")
    header, claims = (_json_object(part) for part in parts[:2])
    return header, claims


def _json_object(part: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(data, type=dict[str, Any])
    except (binascii.Error, ValueError, *DECODE_ERRORS):
        raise invalid_token("a part of it is no JSON object in base64url") from None


def _check_header(header: Mapping[str, Any], settings: IssuerSettings) -> None:
    if header.get("alg") not in settings.algorithms:
        expected = ", ".join(settings.algorithms)
        raise invalid_token(f"its algorithm is {str(header.get('alg'))[:20]!r}, expected one of {expected}")
    kind = str(header.get("typ", "")).lower().removeprefix("application/")
    if kind not in {each.lower() for each in settings.token_types}:
        expected = ", ".join(settings.token_types)
        raise invalid_token(
            f"its type (typ) is {kind[:20]!r}, expected {expected}: an ID token grants nothing"
        )
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise invalid_token("it names no key (kid)")
    if "crit" in header:
        raise invalid_token("it has critical header members (crit), of which none is known here")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate in seconds since 1970."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise invalid_token(f"its {name} is no time in seconds")
    return float(value)


def _name(claims: Mapping[str, Any], settings: IssuerSettings) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise invalid_token("it names nobody (sub)")
    name = _at(claims, settings.name_claim)
    shown = name if isinstance(name, str) and name.strip() else subject
    if not shown.isprintable():
        raise invalid_token("the name in it has characters that cannot be shown")
    # Two persons at two issuers may have the same name.
    return f"{shown[:NAME_LENGTH_MAX]} ({settings.id})"


def _role(claims: Mapping[str, Any], settings: IssuerSettings) -> Role:
    given = _texts(_at(claims, settings.roles_claim))
    return highest_role({cast(Role, settings.roles[one]) for one in given if one in settings.roles})


def _areas(claims: Mapping[str, Any], settings: IssuerSettings) -> frozenset[str] | None:
    if settings.areas_claim is None:
        return None
    areas = _texts(_at(claims, settings.areas_claim))
    if WHOLE_CITY in areas:
        return None
    if len(areas) > AREAS_MAX:
        raise invalid_token(f"it has {len(areas)} areas, the limit is {AREAS_MAX}")
    return frozenset(areas)


def _at(claims: Mapping[str, Any], path: str) -> object:
    """Return the value at a path; a claim whose own name has points comes first."""
    if path in claims:
        return cast(object, claims[path])
    value: object = claims
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _texts(value: object) -> list[str]:
    """Return the texts of a claim: a list of texts, or one text with spaces between them."""
    if isinstance(value, str):
        return value.split(" ")
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
