"""The issuers of access tokens that a city accepts, and what the claims of their tokens grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from api.access.issuer_documents import is_safe_url, origin_of
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


#: RFC 6749, 3.3, as one member of a list.
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,100}$")]


class PageClient(BaseModel):
    """The page as a client of an issuer: a public one, without a secret (RFC 9700, 2.1.1: with PKCE)."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    client_id: Annotated[str, Field(pattern=r"^[ -~]{1,200}$")]  #: that the issuer knows the page by
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=20)] = ("openid",)
    #: RFC 8707, for issuers that choose the audience by it; None: the page asks for none
    resource: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*:[^\s#]+$", max_length=200)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=60)] | None = None  #: on the button; None: the id
    token_origin: SafeUrl | None = None  #: where the token endpoint is; None: where the issuer is


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
    page: PageClient | None = None  #: None: the page does not offer to sign in here

    @model_validator(mode="after")
    def _accepts_its_own_page(self) -> Self:
        if self.page is not None and self.clients and self.page.client_id not in self.clients:
            raise ValueError(
                f"page.clientId is {self.page.client_id!r}, which is not among clients: its tokens would be "
                "refused; add it there"
            )
        return self

    @property
    def page_origin(self) -> str | None:
        """The origin to which the page sends the code for a token; None when it signs nobody in here."""
        if self.page is None:
            return None
        return origin_of(self.page.token_origin or self.issuer)


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
