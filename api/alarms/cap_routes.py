"""Routes of public alarms in the Common Alerting Protocol, and as an Atom feed of such messages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access.rights import PUBLIC
from api.alarms import answers as alarm_answers
from api.alarms.atom_feed import ATOM_TYPE, atom_feed
from api.alarms.cap import MEDIA_TYPE as CAP_TYPE
from api.alarms.cap import (
    CapMessage,
    CapSender,
    alarm_alert,
    city_alert,
    is_in_force,
    last_message,
)
from api.alarms.lookup import alarm_place, lookup_alarm
from api.alarms.routes import AlarmId
from api.alarms.schemas import CapParameters
from api.alarms.visibility import is_public
from api.context import ApiContext, context_of
from api.entities.selection import resolve_filter
from api.http.answers import answers
from api.http.negotiation import media_type_of, not_acceptable
from api.http.parameters import NoQuery
from api.http.problems import not_found
from storage.stores.alarms import ALARM_ROWS_MAX, read_stored_alarm_events

router = APIRouter(prefix="/v1", tags=["alarms"])


@router.get("/alarms/cap", summary="Get the public alarms in force")
@answers(alarm_answers.CAP, alarm_answers.CAP_FEED, problems=(HTTPStatus.NOT_FOUND,))
async def list_alarms_as_cap(request: Request, parameters: Annotated[CapParameters, Query()]) -> Response:
    """Return one CAP 1.2 alert with an info for each alarm in force and each language.

    With `alarm`, the message about that alarm; an Atom feed for `Accept: application/atom+xml`. Every role
    gets the public content only.
    """
    context = context_of(request)
    if parameters.alarm is not None:
        if media_type_of(request) == ATOM_TYPE:
            raise not_acceptable(request, (CAP_TYPE,))
        return await _alarm_response(context, parameters.alarm)
    model, sender = context.model, _sender(context)
    selection = resolve_filter(parameters.filter(), model)
    public = [event for event in context.hub.alarms.alarms() if is_public(event, model)]
    newest = max((event.told_time for event in public), default=context.clock())
    alarms = [
        event
        for event in public
        if is_in_force(event)
        and selection.matches_alarm(event)
        and (not parameters.severity or event.severity.word in parameters.severity)
    ]
    alarms.sort(key=alarm_place, reverse=True)
    if media_type_of(request) == ATOM_TYPE:
        return alarm_answers.CAP_FEED.response(atom_feed(alarms, newest, model, sender).decode())
    return alarm_answers.CAP.response(city_alert(alarms, newest, model, sender).decode())


@router.get("/alarms/{id}/cap", summary="Get a public alarm")
@answers(alarm_answers.CAP, problems=(HTTPStatus.NOT_FOUND,))
async def get_alarm_as_cap(request: Request, id: AlarmId, _: NoQuery) -> Response:
    """Return the last CAP 1.2 message about an alarm; an Update or Cancel refers to the earlier ones."""
    return await _alarm_response(context_of(request), id)


async def _alarm_response(context: ApiContext, id: str) -> Response:
    newest = lookup_alarm(context, id, PUBLIC)
    if not is_public(newest, context.model):
        raise not_found(f"There is no alarm {id!r} of an entity of this city.")
    async with context.database.connection() as connection:
        stored = await read_stored_alarm_events(connection, id, before=None, limit=ALARM_ROWS_MAX)
    if not stored or stored[0].revision < newest.revision:
        stored.insert(0, newest)  # It is new and not stored yet.
    # Without stored events, which have a retention, the present state of the alarm is the message.
    message = last_message(stored) or CapMessage(newest)
    return alarm_answers.CAP.response(alarm_alert(message, context.model, _sender(context)).decode())


def _sender(context: ApiContext) -> CapSender:
    settings = context.settings
    sender = settings.cap_sender or f"livetwin.{context.model.city.id}"
    return CapSender(sender, settings.cap_status, settings.base_url.rstrip("/"))
