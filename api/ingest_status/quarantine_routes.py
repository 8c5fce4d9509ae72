"""Quarantined messages: what could not be used, why, its bytes, and another try."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.http.access import Role, require_role, role_of
from api.http.parameters import NoParameters
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response
from api.ingest_status import examples
from api.ingest_status.schemas import QuarantineFilter, QuarantineParameters
from storage.stores.quarantine import QuarantineCursor, QuarantinedRow, read_quarantined, read_replay_state
from storage.stores.replay_outbox import REPLAY_REQUESTS_MAX, request_replays
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.role import role_includes

router = APIRouter(prefix="/v1", tags=["quarantine"])

# Their payloads are a household's meter readings. An operator, who has a decoder to mend, sees those few
# that broke it, with a pseudonym instead of the meter's number; readings that were understood are for
# `metering` alone.
_PERSONAL_FEEDS = frozenset({"dsmr", "homewizard"})


@router.get("/quarantine", summary="Messages that could not be used", responses=examples.QUARANTINE)
async def list_quarantined(request: Request, wanted: Annotated[QuarantineParameters, Query()]) -> Response:
    """List quarantined messages, newest first; payloads of personal feeds are null but for operators."""
    role = role_of(request)
    context = context_of(request)
    before = decode_page_cursor(wanted.cursor, QuarantineCursor)
    async with context.database.connection() as connection:
        page = await read_quarantined(
            connection,
            before=before,
            limit=wanted.limit,
            feed=wanted.feed,
            reason=wanted.reason,
            device=wanted.device,
            resolved=wanted.resolved,
        )
    following = encode_page_cursor(page[-1].cursor) if len(page) == wanted.limit else None
    personal = _personal_feeds(context.model)
    items = [_document(row, role, row.feed in personal) for row in page]
    return json_response(collection_document(request, items, following))


@router.post(
    "/quarantine/{id}/_replay",
    summary="Try a quarantined message again",
    status_code=HTTPStatus.ACCEPTED,
    responses=examples.REPLAY,
)
async def replay_one(
    request: Request, id: Annotated[str, Path(max_length=64)], _: Annotated[NoParameters, Query()]
) -> Response:
    """Ask ingest to take one message once more; asking again while it is under way changes nothing."""
    require_role(request, "operator")
    async with context_of(request).database.connection() as connection:
        state = await read_replay_state(connection, id)
        if state is None:
            raise not_found(f"There is no quarantined message {id!r}; /v1/quarantine lists them.")
        if not state.replayable:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "This is a record of the log that could not be read, no message that a device sent: ingest "
                "cannot take it once more.",
            )
        pending = state.requested or state.resolved
        requested = 0 if pending else await request_replays(connection, ids=[id])
    word = "resolved" if state.resolved else "requested"
    return _accepted({"id": id, "requested": requested, "replayState": word}, "/v1/quarantine?resolved=false")


@router.post(
    "/quarantine/_replay",
    summary="Try quarantined messages again",
    status_code=HTTPStatus.ACCEPTED,
    responses=examples.REPLAYS,
)
async def replay_many(request: Request, wanted: Annotated[QuarantineFilter, Query()]) -> Response:
    """Ask ingest to take messages once more, oldest first, at most 10,000 at a time.

    Those that a replay has put right are left out, so that asking again does no harm.
    """
    require_role(request, "operator")
    if wanted.feed is None and wanted.reason is None and wanted.device is None:
        raise bad_request(
            RequestFault("query", "reason", "missing", "a replay of everything is never meant: give a feed, "
                  "a reason or a device")
        )  # fmt: skip
    async with context_of(request).database.connection() as connection:
        requested = await request_replays(
            connection, feed=wanted.feed, reason=wanted.reason, device=wanted.device
        )
    document = {"requested": requested, "limit": REPLAY_REQUESTS_MAX}
    return _accepted(document, "/v1/quarantine?resolved=false")


def _accepted(document: dict[str, Any], href: str) -> Response:
    response = json_response({**document, "_links": {"quarantine": {"href": href}}})
    response.status_code = HTTPStatus.ACCEPTED
    return response


def _personal_feeds(model: CityModel) -> frozenset[str]:
    return _PERSONAL_FEEDS | {one.feed for one in model.sensors.values() if one.personal}


def _document(row: QuarantinedRow, role: Role, personal: bool) -> dict[str, Any]:
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
        "replayRequestedTime": _time(row.replay_requested_at),
        "resolvedTime": _time(row.resolved_at),
        "payload": None if hidden else base64.b64encode(row.payload).decode(),
        "payloadBytes": row.payload_bytes,
        "payloadSha256": row.payload_sha256,
        "payloadTruncated": len(row.payload) < row.payload_bytes,
    }


def _time(instant: int | None) -> str | None:
    return format_instant(instant) if instant is not None else None
