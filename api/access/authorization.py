"""Authorization: what each request may do and see, by the role that its route declares and by its areas."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from fastapi import Request
from starlette.requests import HTTPConnection

from api.access.authentication import CHALLENGE, credential_of
from api.access.rights import Rights
from api.context import ApiContext
from api.http.answers import declaration_of
from api.http.problems import ProblemError
from twin.model.city_model import CityModel
from twin.model.role import Role, may_read_readings, role_includes
from twin.model.sensor import Datastream


async def authorize(connection: HTTPConnection) -> None:
    """Determine the rights of a request, for `rights_of`; a dependency of every route with API keys.

    Raises a problem: 401 for a credential that is not valid, 401 and 403 for one without the role that the
    route declares, 503 when it cannot be checked.
    """
    context = cast(ApiContext, connection.app.state.context)
    principal = await context.authenticator.principal_of(credential_of(connection.headers))
    rights = Rights(principal, context.model)
    connection.state.rights = rights
    declaration = declaration_of(connection.scope["endpoint"])
    if declaration.role is not None:
        role = principal.role if declaration.in_areas else rights.role
        require(role_includes(role, declaration.role), rights, declaration.role)


def rights_of(connection: HTTPConnection) -> Rights:
    """Return the rights that `authorize` determined."""
    return cast(Rights, connection.state.rights)


def actor_of(request: Request) -> str:
    """Return the name under which an action of a request is recorded."""
    return rights_of(request).principal.name


def require_role(rights: Rights, needed: Role) -> None:
    """Raise a problem (401, 403) unless the principal has a role in the whole city."""
    require(role_includes(rights.role, needed), rights, needed)


def require_role_at(rights: Rights, needed: Role, entity: str) -> None:
    """Raise a problem (401, 403) unless the principal has a role for what concerns an entity."""
    require(rights.includes_at(needed, entity), rights, needed)


def require(granted: bool, rights: Rights, needed: Role) -> None:
    """Raise the problem (401, 403) of a principal without a role, unless it is granted."""
    if granted:
        return
    principal = rights.principal
    above = f"the role {needed}" + ("" if needed in ("admin", "metering") else " or above")
    if principal.kind == "anonymous":
        raise ProblemError(HTTPStatus.UNAUTHORIZED, f"This needs an API key of {above}.", headers=CHALLENGE)
    found = f"this key has the role {principal.role}"
    if principal.areas is not None:
        areas = ", ".join(sorted(principal.areas)) or "no area"
        found += f" in {areas} only, and this concerns what lies outside"
    # RFC 6750, 3.1: the scope that would suffice.
    challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
    raise ProblemError(HTTPStatus.FORBIDDEN, f"This needs {above}; {found}.", headers=challenge)


def may_see_datastream(rights: Rights, datastream: Datastream, model: CityModel) -> bool:
    """Whether a principal may see the single readings of a datastream.

    Only `metering` sees those of a personal sensor; operator and admin do not.
    """
    sensor = model.sensors.get(datastream.sensor)
    return sensor is not None and may_read_readings(
        rights.role_at(datastream.entity), personal=sensor.personal
    )
