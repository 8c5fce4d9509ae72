"""Messages to people: who was told of which incident, over which channel, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.alarms import examples
from api.alarms.documents import incident_path
from api.alarms.schemas import NotificationParameters
from api.context import context_of
from api.http.access import require_role
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response
from storage.stores.alarms import ListPosition, read_stored_notifications
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.wire.duty_messages import NotificationEvent

router = APIRouter(prefix="/v1", tags=["duty"])


@router.get("/notifications", summary="Messages to people", responses=examples.NOTIFICATIONS)
async def list_notifications(
    request: Request, wanted: Annotated[NotificationParameters, Query()]
) -> Response:
    """List messages to people, the newest first, each as its last try left it."""
    require_role(request, "operator")
    context = context_of(request)
    before = decode_page_cursor(wanted.cursor, ListPosition)
    async with context.database.connection() as connection:
        page = await read_stored_notifications(
            connection,
            before=before,
            limit=wanted.limit,
            incident=wanted.incident,
            contact=wanted.contact,
            outcomes=wanted.outcome,
        )
    last = page[-1] if len(page) == wanted.limit else None
    following = (
        encode_page_cursor(ListPosition(last.due_time, last.notification)) if last is not None else None
    )
    return json_response(
        collection_document(request, [_document(one, context.model) for one in page], following)
    )


def _document(event: NotificationEvent, model: CityModel) -> dict[str, Any]:
    names = {one.id: one.name for one in model.duty.contacts}
    return {
        "id": event.notification,
        "incidentId": event.incident,
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
        "_links": {"incident": {"href": incident_path(event.incident)}},
    }
