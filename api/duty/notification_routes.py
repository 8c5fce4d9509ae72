"""Route of the notifications sent to contacts: of which incident, over which channel, with which outcome."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from api.alarms.documents import incident_path
from api.context import context_of
from api.duty import answers as duty_answers
from api.duty.models import NotificationLinks, NotificationModel
from api.duty.schemas import NotificationParameters
from api.http.answers import answers
from api.http.models import Link
from api.http.pages import render_page
from api.http.responses import decode_page_cursor, next_cursor
from storage.stores.alarms import read_stored_notifications
from storage.stores.list_position import ListPosition
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.wire.duty_messages import NotificationEvent

router = APIRouter(prefix="/v1", tags=["duty"])


@router.get("/notifications", summary="List notifications")
@answers(duty_answers.NOTIFICATIONS, role="operator")
async def list_notifications(
    request: Request, parameters: Annotated[NotificationParameters, Query()]
) -> Response:
    """List the notifications sent to contacts, the newest first, each with its last attempt."""
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
    return duty_answers.NOTIFICATIONS.response(
        render_page(request, page, lambda event: _notification_model(event, context.model), place, following)
    )


def _notification_model(event: NotificationEvent, model: CityModel) -> NotificationModel:
    names = {contact.id: contact.name for contact in model.duty.contacts}
    messages = f"/v1/notifications?{urlencode({'digest': event.notification})}"
    links = NotificationLinks(
        incident=Link(href=incident_path(event.incident)) if event.incident else UNSET,
        messages=Link(href=messages) if event.kind == "digest" else UNSET,
    )
    return NotificationModel(
        id=event.notification,
        incident_id=event.incident or None,
        digest_id=event.digest or None,
        kind=event.kind,
        round=event.round,
        step=event.step,
        contact=event.contact,
        contact_name=names.get(event.contact),
        channel=event.channel,
        outcome=event.outcome,
        attempt=event.attempt,
        time=format_instant(event.time),
        due_time=format_instant(event.due_time),
        title=event.title,
        detail=event.detail or None,
        links=links,
    )
