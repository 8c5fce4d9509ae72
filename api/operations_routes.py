"""Routes of health and metrics, for operators of the installation."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from api.context import context_of
from api.http.openapi_examples import response_example
from api.http.parameters import NoQuery
from api.http.problems import not_found
from api.http.responses import json_response
from twin.instant import DAY, Duration, format_instant

router = APIRouter(prefix="/v1", tags=["operations"])
metrics_router = APIRouter(tags=["operations"])

SECURITY_TXT_VALID: Duration = 180 * DAY
"""How long the contact counts as valid after an answer; RFC 9116 recommends less than a year."""

_LIVENESS = response_example("The process answers.", {"status": "ok"})
_READINESS = response_example(
    "Ready, perhaps degraded.",
    {
        "status": "ok",
        "parts": {
            "liveView": {"status": "ok", "values": 412},
            "log": {"status": "ok", "identity": "livetwin-1"},
            "database": {"status": "ok"},
        },
    },
)


@router.get("/health/live", summary="Check that the process answers", responses=_LIVENESS)
async def live(request: Request, _: NoQuery) -> Response:
    """Answer 200, always."""
    return json_response({"status": "ok"})


@router.get("/health/ready", summary="Check that the live view is up to date", responses=_READINESS)
async def ready(request: Request, _: NoQuery) -> Response:
    """Answer 200 once the live view has caught up with the log; degraded without the database or the log."""
    context = context_of(request)
    follower = context.log_follower
    caught_up = follower.ready.is_set()
    database = await context.database.is_available()
    status = "unready" if not caught_up else "ok" if database and follower.connected else "degraded"
    return json_response(
        {
            "status": status,
            "parts": {
                "liveView": {"status": "ok" if caught_up else "unready", "values": len(context.hub.view)},
                "log": {
                    "status": "ok" if follower.connected else "down",
                    "identity": context.hub.log_id or None,
                },
                "database": {"status": "ok" if database else "down"},
            },
            "model": {"city": context.model.city.id, "version": context.model.version},
        },
        status=HTTPStatus.OK if caught_up else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@metrics_router.get(
    "/.well-known/security.txt",
    summary="Get whom to tell of a vulnerability",
    response_class=Response,
    responses=response_example(
        "The contact, after RFC 9116.",
        "Contact: mailto:security@example.nl\nExpires: 2027-05-22T12:00:00Z\n",
        "text/plain",
    ),
)
async def security_txt(request: Request, _: NoQuery) -> Response:
    """Return whom to tell of a vulnerability, as the settings name them."""
    context = context_of(request)
    settings = context.settings
    if settings.security_contact is None:
        raise not_found("LIVETWIN_SECURITY_CONTACT names nobody to tell of a vulnerability.")
    expires = context.clock() + SECURITY_TXT_VALID
    lines = (
        f"Contact: {settings.security_contact}",
        f"Expires: {format_instant(expires - expires % DAY)}",
        "Preferred-Languages: nl, en",
        f"Canonical: {settings.base_url.rstrip('/')}/.well-known/security.txt",
    )
    return PlainTextResponse("\n".join(lines) + "\n")


@metrics_router.get("/metrics", summary="Metrics, as Prometheus text", response_class=Response)
async def metrics(request: Request, _: NoQuery) -> Response:
    """Return every metric of this process."""
    return Response(generate_latest(context_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
