"""Routes of health and metrics, for operators of the installation."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from api.context import context_of
from api.http.answers import Answer, answers
from api.http.models import Count, Model
from api.http.parameters import NoQuery
from api.http.problems import not_found, unavailable
from api.openapi.asyncapi import asyncapi_document
from twin.instant import DAY, Duration, format_instant

router = APIRouter(prefix="/v1", tags=["operations"])
# Their paths are given by others: they are no part of the versioned API, and not in its document.
unversioned_router = APIRouter(include_in_schema=False)

READY_RETRY_S = 1

SECURITY_TXT_VALID: Duration = 180 * DAY
"""How long the contact counts as valid after an answer; RFC 9116 recommends less than a year."""

PartStatus: TypeAlias = Literal["ok", "down"]


class Liveness(Model, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"]


class LiveViewHealth(Model, frozen=True, kw_only=True):
    """The live view, which has caught up with the log."""

    status: Literal["ok"]
    values: Count


class LogHealth(Model, frozen=True, kw_only=True):
    """Whether the log answers."""

    status: PartStatus
    identity: str | None


class DatabaseHealth(Model, frozen=True, kw_only=True):
    """Whether the database answers."""

    status: PartStatus


class HealthOfParts(Model, frozen=True, kw_only=True):
    """The parts that an answer needs."""

    live_view: LiveViewHealth
    log: LogHealth
    database: DatabaseHealth


class LoadedModel(Model, frozen=True, kw_only=True):
    """The city model in use."""

    city: str
    version: int


class Readiness(Model, frozen=True, kw_only=True):
    """Whether requests are answered, and how completely."""

    status: Literal["ok", "degraded"]
    parts: HealthOfParts
    model: LoadedModel


_LIVENESS = Answer(model=Liveness, description="The process answers.", example=Liveness(status="ok"))
_READY = Readiness(
    status="ok",
    parts=HealthOfParts(
        live_view=LiveViewHealth(status="ok", values=412),
        log=LogHealth(status="ok", identity="livetwin-1"),
        database=DatabaseHealth(status="ok"),
    ),
    model=LoadedModel(city="alkmaar", version=3),
)
_READINESS = Answer(model=Readiness, description="Ready, perhaps degraded.", example=_READY)
_DOCUMENT = Answer(
    model=dict[str, Any],
    description="The OpenAPI document.",
    headers={"access-control-allow-origin": "Any origin: `*`."},
)


@router.get("/openapi.json", summary="Get this document")
@answers(_DOCUMENT)
async def get_openapi(request: Request, _: NoQuery) -> Response:
    """Return the description of this API (OpenAPI 3.1)."""
    application: FastAPI = request.app
    return _DOCUMENT.response(application.openapi())


_ASYNCAPI = Answer(model=dict[str, Any], description="The AsyncAPI document.")


# Not in the OpenAPI document: its design rules have this name for that one only.
@unversioned_router.get("/v1/asyncapi.json")
@answers(_ASYNCAPI, negotiated=False)
async def get_asyncapi(request: Request, _: NoQuery) -> Response:
    """Return the description of Server-Sent Events, WebSocket, MQTT and webhooks (AsyncAPI 3.0)."""
    context = context_of(request)
    return _ASYNCAPI.response(asyncapi_document(context.settings, context.model.city))


@router.get("/health/live", summary="Check that the process answers")
@answers(_LIVENESS)
async def get_liveness(request: Request, _: NoQuery) -> Response:
    """Answer 200, always."""
    return _LIVENESS.response(Liveness(status="ok"))


@router.get("/health/ready", summary="Check that the live view is up to date")
@answers(_READINESS)
async def get_readiness(request: Request, _: NoQuery) -> Response:
    """Answer 200 once the live view has caught up with the log; degraded without the database or the log."""
    context = context_of(request)
    follower = context.log_follower
    caught_up = follower.ready.is_set()
    database = await context.database.is_available()
    log = LogHealth(status="ok" if follower.connected else "down", identity=context.hub.log_id or None)
    if not caught_up:
        detail = f"The live view has not caught up with the log, which is {log.status}"
        raise unavailable(f"{detail}; the database is {'ok' if database else 'down'}.", READY_RETRY_S)
    return _READINESS.response(
        Readiness(
            status="ok" if database and follower.connected else "degraded",
            parts=HealthOfParts(
                live_view=LiveViewHealth(status="ok", values=len(context.hub.view)),
                log=log,
                database=DatabaseHealth(status="ok" if database else "down"),
            ),
            model=LoadedModel(city=context.model.city.id, version=context.model.version),
        )
    )


@unversioned_router.get("/.well-known/security.txt")
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


@unversioned_router.get("/metrics")
async def metrics(request: Request, _: NoQuery) -> Response:
    """Return every metric of this process."""
    return Response(generate_latest(context_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
