"""Roles: five in ascending order of rights, and `metering` beside them, which reads personal data."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Role: TypeAlias = Literal["anonymous", "viewer", "operator", "duty", "admin", "metering"]
"""Each of the first five may do everything that the ones before it may do.

Only `metering` reads single readings of personal sensors (a household's meter): neither an operator nor an
admin needs them to keep the city running. Apart from that it has the rights of a viewer.
"""

ROLES_ASCENDING: tuple[Role, ...] = ("anonymous", "viewer", "operator", "duty", "admin")

GRANTABLE_ROLES: tuple[Role, ...] = tuple(one for one in get_args(Role) if one != "anonymous")
"""The roles that an API key can have."""


def role_includes(role: Role, needed: Role) -> bool:
    """Return whether a role has all rights of `needed`.

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
    """Return whether a role may read single readings of personal sensors."""
    return role == "metering"


def may_read_readings(role: Role, *, personal: bool) -> bool:
    """Return whether a role may read single readings of a sensor, personal or not.

    >>> [may_read_readings(role, personal=True) for role in ("admin", "metering")]
    [False, True]
    """
    return not personal or may_read_personal_data(role)
