"""Alarms for everybody in the Common Alerting Protocol, and as a feed of such alerts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.alarms import examples
from api.alarms.atom_feed import ATOM_TYPE, atom_feed
from api.alarms.cap import (
    MEDIA_TYPE,
    CapMessage,
    CapSender,
    alarm_alert,
    city_alert,
    is_in_force,
    is_public,
    last_message,
)
from api.alarms.lookup import alarm_place, lookup_alarm
from api.alarms.routes import AlarmId
from api.alarms.schemas import CapParameters
from api.context import ApiContext, context_of
from api.entities.selection import resolve_filter
from api.http.parameters import NoParameters
from api.http.problems import not_found
from storage.stores.alarms import ALARM_ROWS_MAX, read_stored_alarm_events

router = APIRouter(prefix="/v1", tags=["alarms"])


@router.get(
    "/alarms/cap",
    summary="The alarms in force, for everybody",
    responses=examples.CAP,
    response_class=Response,
)
async def list_cap(request: Request, wanted: Annotated[CapParameters, Query()]) -> Response:
    """Return one CAP 1.2 alert with an info for each alarm in force and each language.

    With `alarm` the message about that one alarm; an Atom feed for `Accept: application/atom+xml`. Whoever
    asks, it holds what anybody may see.
    """
    context = context_of(request)
    if wanted.alarm is not None:
        return await _one(request, context, wanted.alarm)
    model, origin = context.model, _origin(request, context)
    selection = resolve_filter(wanted.filter(), model)
    public = [one for one in context.hub.alarms.alarms() if is_public(one, model)]
    newest = max((one.told_time for one in public), default=context.clock())
    found = [
        one
        for one in public
        if is_in_force(one)
        and selection.matches_alarm(one)
        and (not wanted.severity or one.severity.word in wanted.severity)
    ]
    found.sort(key=alarm_place, reverse=True)
    if ATOM_TYPE in request.headers.get("accept", ""):
        return _xml(atom_feed(found, newest, model, origin), ATOM_TYPE)
    return _xml(city_alert(found, newest, model, origin), MEDIA_TYPE)


@router.get(
    "/alarms/{id}/cap",
    summary="One alarm, for everybody",
    responses=examples.CAP,
    response_class=Response,
)
async def get_cap(request: Request, id: AlarmId, _: Annotated[NoParameters, Query()]) -> Response:
    """Return the last CAP 1.2 message about an alarm; an Update or Cancel refers to those before it."""
    return await _one(request, context_of(request), id)


async def _one(request: Request, context: ApiContext, id: str) -> Response:
    newest = lookup_alarm(context, id, "anonymous")
    if not is_public(newest, context.model):
        raise not_found(f"There is no alarm {id!r} of an entity of this city.")
    async with context.database.connection() as connection:
        stored = await read_stored_alarm_events(connection, id, before=None, limit=ALARM_ROWS_MAX)
    if not stored or stored[0].revision < newest.revision:
        stored.insert(0, newest)  # It was told a moment ago and is not stored yet.
    # What is older than what is kept of alarms is told by what the alarm is now.
    message = last_message(stored) or CapMessage(newest)
    return _xml(alarm_alert(message, context.model, _origin(request, context)), MEDIA_TYPE)


def _origin(request: Request, context: ApiContext) -> CapSender:
    settings = context.settings
    sender = settings.cap_sender or f"livetwin.{context.model.city.id}"
    return CapSender(sender, settings.cap_status, str(request.base_url).rstrip("/"))


def _xml(document: bytes, media_type: str) -> Response:
    return Response(document, media_type=media_type, headers={"Vary": "Accept"})
