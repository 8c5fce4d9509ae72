"""Routes of quarantined messages: their reasons, their bytes, and requests to replay them."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.http.access import Role, require_role, role_of
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import (
    Document,
    collection_document,
    decode_page_cursor,
    format_optional_instant,
    json_response,
    next_cursor,
)
from api.ingest_status import examples
from api.ingest_status.schemas import QuarantineFilter, QuarantineParameters
from cities.files.schema import PERSONAL_FEEDS
from storage.stores.list_position import ListPosition
from storage.stores.quarantine import QuarantinedRow, read_quarantined, read_replay_state
from storage.stores.replay_outbox import REPLAY_REQUESTS_MAX, request_replays
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.role import role_includes

router = APIRouter(prefix="/v1", tags=["quarantine"])


@router.get("/quarantine", summary="List quarantined messages", responses=examples.QUARANTINE)
async def list_quarantined(
    request: Request, parameters: Annotated[QuarantineParameters, Query()]
) -> Response:
    """List quarantined messages, newest first; payloads of personal feeds are for operators, else null."""
    role = role_of(request)
    context = context_of(request)
    before = decode_page_cursor(parameters.cursor, ListPosition)
    async with context.database.connection() as connection:
        page = await read_quarantined(
            connection,
            before=before,
            limit=parameters.limit,
            feed=parameters.feed,
            reason=parameters.reason,
            device=parameters.device,
            resolved=parameters.resolved,
        )
    following = next_cursor(page, parameters.limit, lambda last: last.cursor)
    personal = _personal_feeds(context.model)
    items = [_document(row, role, row.feed in personal) for row in page]
    return json_response(collection_document(request, items, following))


@router.post(
    "/quarantine/{id}/_replay",
    summary="Replay a quarantined message",
    status_code=HTTPStatus.ACCEPTED,
    responses=examples.REPLAY,
)
async def replay_one(request: Request, id: Annotated[str, Path(max_length=64)], _: NoQuery) -> Response:
    """Request that ingest processes a message again; repeating the request has no further effect."""
    require_role(request, "operator")
    async with context_of(request).database.connection() as connection:
        state = await read_replay_state(connection, id)
        if state is None:
            raise not_found(f"There is no quarantined message {id!r}; /v1/quarantine lists them.")
        if not state.replayable:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "This is an unreadable record of the log, not a message of a device: ingest cannot process "
                "it again.",
            )
        pending = state.requested or state.resolved
        requested = 0 if pending else await request_replays(connection, ids=[id])
    word = "resolved" if state.resolved else "requested"
    return _accepted({"id": id, "requested": requested, "replayState": word})


@router.post(
    "/quarantine/_replay",
    summary="Replay quarantined messages",
    status_code=HTTPStatus.ACCEPTED,
    responses=examples.REPLAYS,
)
async def replay_many(request: Request, parameters: Annotated[QuarantineFilter, Query()]) -> Response:
    """Request that ingest processes messages again, oldest first, at most 10,000 per request.

    Messages that a replay has resolved are left out, so repeating the request does no harm.
    """
    require_role(request, "operator")
    if parameters.feed is None and parameters.reason is None and parameters.device is None:
        detail = "replaying everything is not supported: give a feed, a reason or a device"
        raise bad_request(RequestFault("query", "reason", "missing", detail))
    async with context_of(request).database.connection() as connection:
        requested = await request_replays(
            connection, feed=parameters.feed, reason=parameters.reason, device=parameters.device
        )
    return _accepted({"requested": requested, "limit": REPLAY_REQUESTS_MAX})


def _accepted(document: Document) -> Response:
    links = {"quarantine": {"href": "/v1/quarantine?resolved=false"}}
    return json_response({**document, "_links": links}, status=HTTPStatus.ACCEPTED)


def _personal_feeds(model: CityModel) -> frozenset[str]:
    # Operators repair decoders, so they see the few payloads that failed, with a pseudonym instead of the
    # meter's number; decoded readings are for `metering` only.
    return PERSONAL_FEEDS | {sensor.feed for sensor in model.sensors.values() if sensor.personal}


def _document(row: QuarantinedRow, role: Role, personal: bool) -> Document:
    hidden = personal and not role_includes(role, "operator")
    state = "resolved" if row.resolved_at else "requested" if row.replay_requested_at else "none"
    return {
        "id": row.id,
        "feed": row.feed,
        "device": row.device or None,
        "topic": row.topic,
        "receivedTime": format_instant(row.received_time),
        "reason": row.reason,
        "detail": row.detail,
        "decoder": row.decoder or None,
        "decoderVersion": row.decoder_version or None,
        "observations": row.observations,
        "attempts": row.attempts,
        "replayState": state,
        "replayRequestedTime": format_optional_instant(row.replay_requested_at),
        "resolvedTime": format_optional_instant(row.resolved_at),
        "payload": None if hidden else base64.b64encode(row.payload).decode(),
        "payloadBytes": row.payload_bytes,
        "payloadSha256": row.payload_sha256,
        "payloadTruncated": len(row.payload) < row.payload_bytes,
    }
