"""The issuers of access tokens that a city accepts, and what the claims of their tokens grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.access.key_set import is_safe_url
from twin.model.role import Role

Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Asymmetric ones only: with a shared secret each client could issue tokens."""

GrantableRole: TypeAlias = Literal["viewer", "operator", "duty", "admin", "metering"]


def _checked_url(url: str) -> str:
    if not is_safe_url(url):
        raise ValueError("expected an https URL; http only for this machine")
    return url


SafeUrl = Annotated[str, AfterValidator(_checked_url)]


class IssuerSettings(BaseModel):
    """One issuer: what its tokens must contain, and which claims grant what."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")]  #: shown behind names of persons
    issuer: SafeUrl  #: the claim `iss`, exactly
    audience: Annotated[str, Field(min_length=1, max_length=200)]  #: the claim `aud` contains it
    jwks_uri: SafeUrl | None = None  #: None: that of the issuer's metadata
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "PS256", "ES256")
    #: Header `typ`: `at+jwt` (RFC 9068); some issuers send `JWT`, which ID tokens have as well.
    token_types: Annotated[tuple[Literal["at+jwt", "JWT"], ...], Field(min_length=1)] = ("at+jwt",)
    clients: tuple[str, ...] = ()  #: `azp` or `client_id` is one of these; empty: any
    name_claim: str = "preferred_username"  #: else `sub`
    roles_claim: str = "roles"  #: dotted path of a text or a list, such as `realm_access.roles`
    roles: Mapping[str, GrantableRole]  #: the highest role of the values that a token has
    areas_claim: str | None = None  #: ids of entities, or `*`; None: each token is for the whole city


def highest_role(roles: set[Role]) -> Role:
    """Return the role with the most rights; `metering` beside another role gives way to it.

    Somebody who both operates and settles has two accounts: no token has all rights.

    >>> highest_role({"viewer", "duty"}), highest_role({"metering", "viewer"}), highest_role(set())
    ('duty', 'metering', 'anonymous')
    """
    for role in ("admin", "duty", "operator", "metering", "viewer"):
        if role in roles:
            return role
    return "anonymous"
