"""Quarantined messages: what could not be used, why, and its bytes."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import examples
from api.access import Role, role_of
from api.context import context_of
from api.paging import answer, collection, page_cursor, page_key
from api.parameters import QuarantineParameters
from storage.quarantine_store import QuarantineCursor, QuarantinedRow, quarantined
from twin.instant import format_instant

router = APIRouter(prefix="/v1", tags=["quarantine"])

# Their payloads are a household's meter readings, with the meter's number in them.
_PERSONAL_FEEDS = frozenset({"dsmr", "homewizard"})


@router.get("/quarantine", summary="Messages that could not be used", responses=examples.QUARANTINE)
async def list_quarantined(request: Request, wanted: Annotated[QuarantineParameters, Query()]) -> Response:
    """List quarantined messages, newest first; payloads of personal feeds are null but for operators."""
    role = role_of(request)
    context = context_of(request)
    before = page_key(wanted.cursor, QuarantineCursor)
    async with context.database.connection() as connection:
        page = await quarantined(
            connection, before=before, limit=wanted.limit, feed=wanted.feed, reason=wanted.reason
        )
    following = page_cursor(page[-1].cursor) if len(page) == wanted.limit else None
    personal = _PERSONAL_FEEDS | {one.feed for one in context.model.sensors.values() if one.personal}
    items = [_document(row, role, row.feed in personal) for row in page]
    return answer(collection(request, items, following))


def _document(row: QuarantinedRow, role: Role, personal: bool) -> dict[str, Any]:
    hidden = personal and role == "anonymous"
    return {
        "id": row.id,
        "feed": row.feed,
        "topic": row.topic,
        "receivedTime": format_instant(row.received_time),
        "reason": row.reason,
        "detail": row.detail,
        "payload": None if hidden else base64.b64encode(row.payload).decode(),
        "payloadBytes": row.payload_bytes,
        "payloadSha256": row.payload_sha256,
        "payloadTruncated": len(row.payload) < row.payload_bytes,
    }
