"""Who sends a request, and what their role may see."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from fastapi import Request
from starlette.requests import HTTPConnection

from api.context import ApiContext
from api.http.api_keys import KEY_LENGTH_MAX
from api.http.problems import ProblemError
from twin.model.city_model import CityModel
from twin.model.role import Role, may_read_personal_data, role_includes
from twin.model.sensor import Datastream

__all__ = ["Role", "actor_of", "authenticate", "may_see_datastream", "require_role", "role_of"]

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


async def authenticate(connection: HTTPConnection) -> None:
    """Determine the role of the client, for `role_of`; a dependency of every route that needs a role.

    Raises a problem: 401 for an unknown key, 503 when the database cannot check it.
    """
    connection.state.role = await _authenticated_role(connection)


async def _authenticated_role(connection: HTTPConnection) -> Role:
    header = connection.headers.get("authorization")
    if header is None:
        return "anonymous"
    scheme, key = _credentials(header)
    if scheme.lower() != "bearer":
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            f"Authorization has the scheme {scheme[:20]!r}, expected 'Bearer' and an API key.",
            headers=_CHALLENGE,
        )
    context = cast(ApiContext, connection.app.state.context)
    role = await context.api_keys.role_of(key) if 0 < len(key) <= KEY_LENGTH_MAX else None
    if role is None:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "The API key is unknown or was revoked; omit the header for anonymous access.",
            headers=_CHALLENGE,
        )
    return role


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, key = header.partition(" ")
    return scheme, key.strip()


async def actor_of(request: HTTPConnection) -> str:
    """Return the name of the API key of a request that `authenticate` accepted."""
    _, key = _credentials(request.headers.get("authorization", ""))
    return await cast(ApiContext, request.app.state.context).api_keys.name_of(key)


def role_of(request: HTTPConnection) -> Role:
    """Return the role that `authenticate` determined."""
    return cast(Role, request.state.role)


def require_role(request: Request, needed: Role) -> Role:
    """Return the role of a request; raise a problem (401, 403) unless it includes the role `needed`."""
    role = role_of(request)
    if role_includes(role, needed):
        return role
    above = f"an API key of the role {needed}" + ("" if needed in ("admin", "metering") else " or above")
    if role == "anonymous":
        raise ProblemError(HTTPStatus.UNAUTHORIZED, f"This needs {above}.", headers=_CHALLENGE)
    raise ProblemError(HTTPStatus.FORBIDDEN, f"This needs {above}; this key has the role {role}.")


def may_see_datastream(role: Role, datastream: Datastream, model: CityModel) -> bool:
    """Whether a role may see the single readings of a datastream.

    Only `metering` sees those of a personal sensor; operator and admin do not.
    """
    sensor = model.sensors.get(datastream.sensor)
    return sensor is not None and (not sensor.personal or may_read_personal_data(role))
