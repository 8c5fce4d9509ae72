"""Routes of quarantined messages: their reasons, their bytes, and requests to replay them."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from api.access.authorization import require_role, rights_of
from api.access.source_visibility import SourceVisibility
from api.context import context_of
from api.http.answers import answers
from api.http.models import Link
from api.http.pages import render_page
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import decode_page_cursor, format_optional_instant, next_cursor
from api.ingest_status import answers as status_answers
from api.ingest_status.models import (
    PayloadLinks,
    QuarantinedMessageModel,
    QuarantinedMessageWithPayload,
    RequestedReplay,
    RequestedReplays,
)
from api.ingest_status.schemas import QuarantineFilter, QuarantineParameters
from storage.stores.list_position import ListPosition
from storage.stores.quarantine import (
    QuarantinedRow,
    read_quarantined,
    read_quarantined_message,
    read_replay_state,
)
from storage.stores.replay_outbox import REPLAY_REQUESTS_MAX, request_replays
from twin.instant import format_instant

router = APIRouter(prefix="/v1", tags=["quarantine"])

QuarantineId = Annotated[str, Path(max_length=64)]


@router.get("/quarantine", summary="List quarantined messages")
@answers(status_answers.QUARANTINE, problems=(HTTPStatus.FORBIDDEN,))
async def list_quarantined_messages(
    request: Request, parameters: Annotated[QuarantineParameters, Query()]
) -> Response:
    """List quarantined messages, newest first, without their payloads: each has a link to its own.

    Device, topic, detail, payload and hash are null where the role may not see what the device sends:
    operators see it of all devices, others of sensors that are not personal and have no other address;
    anonymous clients see no payload.
    Topics are cut after 512 characters. A page ends early where it would have more than 1 MiB.
    """
    context = context_of(request)
    visibility = SourceVisibility(rights_of(request).role, context.model)
    device = parameters.device
    if device is not None and not visibility.shows_device(parameters.feed or "", device):
        # A filter would tell whether the device exists.
        require_role(rights_of(request), "operator")
    before = decode_page_cursor(parameters.cursor, ListPosition)
    async with context.database.connection() as connection:
        page = await read_quarantined(
            connection,
            before=before,
            limit=parameters.limit,
            feed=parameters.feed,
            reason=parameters.reason,
            device=device,
            resolved=parameters.resolved,
        )
    following = next_cursor(page, parameters.limit, lambda last: last.cursor)
    return status_answers.QUARANTINE.response(
        render_page(request, page, lambda row: _message(row, visibility), lambda last: last.cursor, following)
    )


@router.get("/quarantine/{id}", summary="Get a quarantined message")
@answers(status_answers.QUARANTINED, problems=(HTTPStatus.NOT_FOUND,))
async def get_quarantined_message(request: Request, id: QuarantineId, _: NoQuery) -> Response:
    """Return a quarantined message with its payload, of which a setting of ingest keeps the beginning.

    What the role may not see is null, as in the list.
    """
    row, payload, visibility = await _find(request, id)
    shown = visibility.shows_payload(row.feed, row.device)
    encoded = base64.b64encode(payload).decode() if shown else None
    message = _message(row, visibility)
    members = {name: getattr(message, name) for name in QuarantinedMessageModel.__struct_fields__}
    return status_answers.QUARANTINED.response(QuarantinedMessageWithPayload(**members, payload=encoded))


@router.get("/quarantine/{id}/payload", summary="Get the payload of a quarantined message")
@answers(status_answers.QUARANTINED_PAYLOAD, problems=(HTTPStatus.NOT_FOUND,), role="viewer")
async def get_quarantined_payload(request: Request, id: QuarantineId, _: NoQuery) -> Response:
    """Return the kept beginning of a payload as it was received, redacted for personal feeds."""
    row, payload, visibility = await _find(request, id)
    if not visibility.shows_payload(row.feed, row.device):
        require_role(rights_of(request), "operator")
    return status_answers.QUARANTINED_PAYLOAD.response(payload, {"Content-Disposition": "attachment"})


async def _find(request: Request, id: str) -> tuple[QuarantinedRow, bytes, SourceVisibility]:
    """Return a message, its payload, and what the role of the request may see."""
    context = context_of(request)
    async with context.database.connection() as connection:
        found = await read_quarantined_message(connection, id)
    if found is None:
        raise _unknown(id)
    row, payload = found
    return row, payload, SourceVisibility(rights_of(request).role, context.model)


@router.post("/quarantine/{id}/_replay", summary="Replay a quarantined message")
@answers(status_answers.REPLAY, problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT), role="operator")
async def replay_quarantined_message(request: Request, id: QuarantineId, _: NoQuery) -> Response:
    """Request that ingest processes a message again; repeating the request has no further effect."""
    async with context_of(request).database.connection() as connection:
        state = await read_replay_state(connection, id)
        if state is None:
            raise _unknown(id)
        if not state.replayable:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "This is an unreadable record of the log, not a message of a device: ingest cannot process "
                "it again.",
            )
        pending = state.requested or state.resolved
        requested = 0 if pending else await request_replays(connection, ids=[id])
    return status_answers.REPLAY.response(
        RequestedReplay(
            id=id,
            requested=requested,
            replay_state="resolved" if state.resolved else "requested",
            links=status_answers.UNRESOLVED,
        )
    )


@router.post("/quarantine/_replay", summary="Replay quarantined messages")
@answers(status_answers.REPLAYS, role="operator")
async def replay_quarantined_messages(
    request: Request, parameters: Annotated[QuarantineFilter, Query()]
) -> Response:
    """Request that ingest processes messages again, oldest first, at most 10,000 per request.

    Messages that a replay has resolved are left out, so repeating the request does no harm.
    """
    if parameters.feed is None and parameters.reason is None and parameters.device is None:
        detail = "replaying everything is not supported: give a feed, a reason or a device"
        raise bad_request(RequestFault("query", "reason", "missing", detail))
    async with context_of(request).database.connection() as connection:
        requested = await request_replays(
            connection, feed=parameters.feed, reason=parameters.reason, device=parameters.device
        )
    return status_answers.REPLAYS.response(
        RequestedReplays(requested=requested, limit=REPLAY_REQUESTS_MAX, links=status_answers.UNRESOLVED)
    )


def payload_path(id: str) -> str:
    """Return the path of the payload of a quarantined message."""
    return f"/v1/quarantine/{quote(id, safe='')}/payload"


def _unknown(id: str) -> ProblemError:
    return not_found(f"There is no quarantined message {id!r}; /v1/quarantine lists them.")


def _message(row: QuarantinedRow, visibility: SourceVisibility) -> QuarantinedMessageModel:
    shown = visibility.shows_device(row.feed, row.device)
    return QuarantinedMessageModel(
        id=row.id,
        feed=row.feed,
        device=(row.device or None) if shown else None,
        topic=row.topic if shown else None,
        received_time=format_instant(row.received_time),
        reason=row.reason,
        detail=row.detail if shown else None,
        decoder=row.decoder or None,
        decoder_version=row.decoder_version or None,
        observations=row.observations,
        attempts=row.attempts,
        replay_state="resolved" if row.resolved_at else "requested" if row.replay_requested_at else "none",
        replay_requested_time=format_optional_instant(row.replay_requested_at),
        resolved_time=format_optional_instant(row.resolved_at),
        payload_bytes=row.payload_bytes,
        payload_sha256=row.payload_sha256 if visibility.shows_hash(row.feed, row.device) else None,
        payload_truncated=row.kept_bytes < row.payload_bytes,
        links=PayloadLinks(
            payload=Link(href=payload_path(row.id))
            if visibility.shows_payload(row.feed, row.device)
            else UNSET
        ),
    )
