"""Routes of health and metrics, for operators of the installation."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from api.context import context_of
from api.http.openapi_examples import response_example
from api.http.parameters import NoQuery
from api.http.responses import json_response

router = APIRouter(prefix="/v1", tags=["operations"])
metrics_router = APIRouter(tags=["operations"])

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


@metrics_router.get("/metrics", summary="Metrics, as Prometheus text", response_class=Response)
async def metrics(request: Request, _: NoQuery) -> Response:
    """Return every metric of this process."""
    return Response(generate_latest(context_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
