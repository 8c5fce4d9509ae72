"""The route of who sends a request: what a page needs to know before it offers what may be refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from api.access.authorization import rights_of
from api.access.models import PrincipalModel
from api.access.rights import Rights
from api.http.answers import Answer, answers, declaration_of
from api.http.parameters import NoQuery
from twin.instant import format_instant
from twin.model.role import role_includes

router = APIRouter(prefix="/v1", tags=["access"])

_PRINCIPAL = Answer(
    model=PrincipalModel,
    description="The principal.",
    example=PrincipalModel(
        kind="access-token",
        name="j.devries (sso)",
        role="operator",
        areas=["alkmaar.oost"],
        expires_time="2026-11-23T13:00:00Z",
        permissions=["POST /v1/alarms/{id}/_acknowledge", "POST /v1/alarms/{id}/_shelve"],
    ),
)


@router.get("/principal", summary="Get who sends this request")
@answers(_PRINCIPAL)
async def get_principal(request: Request, _: NoQuery) -> Response:
    """Return whom the API key or access token stands for, and what they may do; without one: anonymous."""
    rights = rights_of(request)
    principal = rights.principal
    return _PRINCIPAL.response(
        PrincipalModel(
            kind=principal.kind,
            name=principal.name,
            role=principal.role,
            areas=sorted(principal.areas) if principal.areas is not None else None,
            expires_time=format_instant(principal.expires) if principal.expires is not None else None,
            permissions=sorted(permissions_of(rights, request.app.state.api_routes)),
        )
    )


def permissions_of(rights: Rights, routes: Iterable[APIRoute]) -> Iterator[str]:
    """Yield the operations that need a role and are not refused, by what their routes declare."""
    for route in routes:
        declaration = declaration_of(route.endpoint) if route.include_in_schema else None
        if declaration is None or declaration.role is None:
            continue
        # As `authorize` does: a route that knows areas checks the place itself.
        role = rights.principal.role if declaration.in_areas else rights.role
        if role_includes(role, declaration.role):
            yield from (f"{method} {route.path_format}" for method in route.methods or ())
