"""Who asks, and what they may see."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Literal, TypeAlias

from fastapi import Request

from api.context import context_of
from api.problems import ProblemError
from twin.model import CityModel
from twin.sensor import Datastream

Role: TypeAlias = Literal["anonymous", "operator"]

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def role_of(request: Request) -> Role:
    """Return the role of whoever sent a request; raise a problem for a key that is not one."""
    header = request.headers.get("authorization")
    if header is None:
        return "anonymous"
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            f"Authorization has the scheme {scheme!r}, expected 'Bearer' and an API key.",
            headers=_CHALLENGE,
        )
    known = context_of(request).settings.operator_key
    if known is None or not hmac.compare_digest(known.get_secret_value().encode(), key.strip().encode()):
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "The API key is not known here; leave the header out to ask as anybody may.",
            headers=_CHALLENGE,
        )
    return "operator"


def may_see(role: Role, datastream: Datastream, model: CityModel) -> bool:
    """Whether a role may see the single readings of a datastream."""
    if role == "operator":
        return True
    sensor = model.sensors.get(datastream.sensor)
    return sensor is not None and not sensor.personal
