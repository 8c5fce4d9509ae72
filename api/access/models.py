"""Models of the answers about who sends a request."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.access.principal import CredentialKind
from api.entities.models import EntityId
from api.http.models import Model, Time
from twin.model.role import Role


class PrincipalModel(Model, frozen=True, kw_only=True):
    """Who sends a request, and what they may do."""

    kind: Annotated[CredentialKind, Meta(description="What the request was authenticated by.")]
    name: Annotated[str, Meta(description="As the audit log and others see it.")]
    role: Annotated[
        Role,
        Meta(description="`anonymous` also for a token whose claims grant no role, and reads what is open."),
    ]
    areas: Annotated[
        list[EntityId] | None,
        Meta(
            description="The entities, with all that lie in them, to which the role and the permissions are "
            "limited; null: the whole city."
        ),
    ]
    expires_time: Annotated[
        Time | None, Meta(description="Until when the credential is valid; null: until it is revoked.")
    ]
    permissions: Annotated[
        list[str],
        Meta(
            description="The operations that need a role, and that the principal may do: method and path, as "
            "`POST /v1/alarms/{id}/_acknowledge`. Other operations that need no role are open to everybody."
        ),
    ]
