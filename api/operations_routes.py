"""Health and metrics: for whoever runs this."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from api.context import context_of
from api.http import openapi_examples
from api.http.parameters import NoParameters
from api.http.responses import json_response

router = APIRouter(prefix="/v1", tags=["operations"])
metrics_router = APIRouter(tags=["operations"])


@router.get("/health/live", summary="Whether the process answers", responses=openapi_examples.LIVENESS)
async def live(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Answer, always."""
    return json_response({"status": "ok"})


@router.get("/health/ready", summary="Whether the live view is fed", responses=openapi_examples.READINESS)
async def ready(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Answer 200 once the live view has caught up; without the database it is degraded, yet ready."""
    context = context_of(request)
    fed, log_answers = context.log_follower.ready.is_set(), context.log_follower.connected
    database = await context.database.is_available()
    status = "unready" if not fed else "ok" if database and log_answers else "degraded"
    response = json_response(
        {
            "status": status,
            "parts": {
                "liveView": {"status": "ok" if fed else "unready", "values": len(context.hub.view)},
                "log": {"status": "ok" if log_answers else "down", "identity": context.hub.log_id or None},
                "database": {"status": "ok" if database else "down"},
            },
            "model": {"city": context.model.city.id, "version": context.model.version},
        }
    )
    response.status_code = 200 if fed else 503
    return response


@metrics_router.get("/metrics", summary="Metrics, as Prometheus text", response_class=Response)
async def metrics(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Return every metric of this process."""
    return Response(generate_latest(context_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
