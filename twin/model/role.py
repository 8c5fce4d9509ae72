"""Roles: who may do what. A ladder, and one role beside it that reads what is personal."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Role: TypeAlias = Literal["anonymous", "viewer", "operator", "duty", "admin", "metering"]
"""Each of the first five may do what the ones before it may.

`metering` reads the single readings of personal sensors (a household's meter), and nobody else does: neither
an operator nor an admin needs them to keep the city running. Otherwise it is a viewer.
"""

ROLES_ASCENDING: tuple[Role, ...] = ("anonymous", "viewer", "operator", "duty", "admin")

GRANTABLE_ROLES: tuple[Role, ...] = tuple(one for one in get_args(Role) if one != "anonymous")
"""The roles that an API key can have."""


def role_includes(role: Role, needed: Role) -> bool:
    """Whether a role may do what `needed` may.

    >>> (role_includes("duty", "operator"), role_includes("viewer", "operator"),
    ...  role_includes("admin", "metering"))
    (True, False, False)
    >>> role_includes("metering", "viewer"), role_includes("metering", "operator")
    (True, False)
    """
    if role == needed:
        return True
    if needed == "metering":
        return False
    return ROLES_ASCENDING.index("viewer" if role == "metering" else role) >= ROLES_ASCENDING.index(needed)


def may_read_personal_data(role: Role) -> bool:
    """Whether a role may see the single readings of personal sensors."""
    return role == "metering"
