"""A principal: the person or program that a credential identifies, and what the credential grants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from twin.instant import Instant
from twin.model.role import Role

CredentialKind: TypeAlias = Literal["anonymous", "api-key", "access-token"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request.

    With `areas` the role holds for these entities and all that lie in them; for everything else the
    principal is anonymous.
    """

    name: str  #: for the audit log and for what others are shown
    role: Role
    areas: frozenset[str] | None = None  #: ids of entities; None: the whole city
    expires: Instant | None = None  #: None: until the credential is revoked

    @property
    def kind(self) -> CredentialKind:
        """What the principal was identified by: tokens expire, and no API key has the role `anonymous`."""
        if self.expires is not None:
            return "access-token"
        return "anonymous" if self.role == "anonymous" else "api-key"


ANONYMOUS = Principal("anonymous", "anonymous")
