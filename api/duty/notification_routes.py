"""Route of the notifications sent to contacts: of which incident, over which channel, with which outcome."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.alarms.documents import incident_path
from api.context import context_of
from api.duty import examples
from api.duty.schemas import NotificationParameters
from api.http.access import require_role
from api.http.responses import (
    Document,
    decode_page_cursor,
    json_response,
    next_cursor,
    page_document,
)
from storage.stores.alarms import read_stored_notifications
from storage.stores.list_position import ListPosition
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.wire.duty_messages import NotificationEvent

router = APIRouter(prefix="/v1", tags=["duty"])


@router.get("/notifications", summary="List notifications", responses=examples.NOTIFICATIONS)
async def list_notifications(
    request: Request, parameters: Annotated[NotificationParameters, Query()]
) -> Response:
    """List the notifications sent to contacts, the newest first, each with its last attempt."""
    require_role(request, "operator")
    context = context_of(request)
    before = decode_page_cursor(parameters.cursor, ListPosition)
    async with context.database.connection() as connection:
        page = await read_stored_notifications(
            connection,
            before=before,
            limit=parameters.limit,
            incident=parameters.incident,
            digest=parameters.digest,
            contact=parameters.contact,
            outcomes=parameters.outcome,
        )

    def place(last: NotificationEvent) -> ListPosition:
        return ListPosition(last.due_time, last.notification)

    following = next_cursor(page, parameters.limit, place)
    return json_response(
        page_document(request, page, lambda event: _document(event, context.model), place, following)
    )


def _document(event: NotificationEvent, model: CityModel) -> Document:
    names = {contact.id: contact.name for contact in model.duty.contacts}
    links = {"incident": {"href": incident_path(event.incident)}} if event.incident else {}
    if event.kind == "digest":
        links["messages"] = {"href": f"/v1/notifications?{urlencode({'digest': event.notification})}"}
    return {
        "id": event.notification,
        "incidentId": event.incident or None,
        "digestId": event.digest or None,
        "kind": event.kind,
        "round": event.round,
        "step": event.step,
        "contact": event.contact,
        "contactName": names.get(event.contact),
        "channel": event.channel,
        "outcome": event.outcome,
        "attempt": event.attempt,
        "time": format_instant(event.time),
        "dueTime": format_instant(event.due_time),
        "title": event.title,
        "detail": event.detail or None,
        "_links": links,
    }
