"""Webhooks: the events of the live stream, sent to whoever asked for them. The outlets role sends."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.http.access import actor_of, require_role
from api.http.bodies import read_body
from api.http.parameters import NoParameters, PageParameters
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response
from api.live.cursor import encode_cursor
from api.webhooks import examples
from api.webhooks.schemas import (
    ResumeBody,
    WebhookBody,
    dead_letter_document,
    encode_secret,
    stored_filter,
    webhook_document,
)
from runtime.sink_address import SinkError
from storage.stores.webhooks import (
    WEBHOOKS_MAX,
    Webhook,
    WebhookProgress,
    delete_webhook,
    find_webhook,
    insert_webhook,
    read_dead_letters,
    read_webhooks,
    resume_webhook,
)

router = APIRouter(prefix="/v1", tags=["subscriptions"])

ID_BYTES = 12
SECRET_BYTES = 32

WebhookId = Annotated[str, Path(max_length=64)]
Nothing = Annotated[NoParameters, Query()]


@router.post(
    "/subscriptions",
    summary="Have events sent",
    status_code=HTTPStatus.CREATED,
    responses=examples.CREATED,
    openapi_extra=examples.BODY,
)
async def subscribe(request: Request, _: Nothing) -> Response:
    """Make a webhook: from now on what matches is sent to `url`, signed with the secret of the answer.

    The secret is told this once. With the event `snapshot` it begins with everything that matches.
    """
    require_role(request, "operator")
    context = context_of(request)
    body = await read_body(request, WebhookBody)
    try:
        context.sink_rules.check_url(body.url)
    except SinkError as error:
        raise bad_request(RequestFault("body", "url", "refused", str(error))) from None
    made = Webhook(
        id=secrets.token_hex(ID_BYTES),
        url=body.url,
        filter=stored_filter(body),
        mode=body.mode,
        secret=secrets.token_bytes(SECRET_BYTES),
        created=context.clock(),
        created_by=await actor_of(request),
        progress=WebhookProgress(cursor=_start(context, body)),
    )
    async with context.database.connection() as connection:
        if not await insert_webhook(connection, made):
            raise ProblemError(
                HTTPStatus.CONFLICT,
                f"There are {WEBHOOKS_MAX} subscriptions, as many as there may be: delete one.",
            )
    response = json_response({**webhook_document(made), "secret": encode_secret(made.secret)})
    response.status_code = HTTPStatus.CREATED
    response.headers["Location"] = f"/v1/subscriptions/{made.id}"
    return response


@router.get("/subscriptions", summary="Who gets events sent", responses=examples.WEBHOOKS)
async def list_subscriptions(request: Request, _: Nothing) -> Response:
    """List webhooks, oldest first: there are at most 100."""
    require_role(request, "operator")
    async with context_of(request).database.connection() as connection:
        found = await read_webhooks(connection)
    return json_response(collection_document(request, [webhook_document(one) for one in found], None))


@router.get("/subscriptions/{id}", summary="One webhook", responses=examples.WEBHOOK)
async def get_subscription(request: Request, id: WebhookId, _: Nothing) -> Response:
    """Return a webhook and how far it is; its progress is stored about once a second."""
    require_role(request, "operator")
    async with context_of(request).database.connection() as connection:
        found = await find_webhook(connection, id)
    if found is None:
        raise _unknown(id)
    return json_response(webhook_document(found))


@router.delete(
    "/subscriptions/{id}",
    summary="Have no more events sent",
    status_code=HTTPStatus.NO_CONTENT,
    responses=examples.DELETED,
)
async def unsubscribe(request: Request, id: WebhookId, _: Nothing) -> Response:
    """Remove a webhook with its dead letters; within two seconds nothing more is sent."""
    require_role(request, "operator")
    async with context_of(request).database.connection() as connection:
        if not await delete_webhook(connection, id):
            raise _unknown(id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/subscriptions/{id}/_resume",
    summary="Have events sent from a place on",
    responses=examples.WEBHOOK,
    openapi_extra=examples.RESUME_BODY,
)
async def resume(request: Request, id: WebhookId, _: Nothing) -> Response:
    """Make a webhook go on at once: one that failed or was disabled where it was, or any from a cursor."""
    require_role(request, "operator")
    body = await read_body(request, ResumeBody)
    async with context_of(request).database.connection() as connection:
        if not await resume_webhook(connection, id, body.cursor):
            raise _unknown(id)
        found = await find_webhook(connection, id)
    if found is None:
        raise _unknown(id)
    return json_response(webhook_document(found))


@router.get(
    "/subscriptions/{id}/dead-letters",
    summary="What could not be delivered",
    responses=examples.DEAD_LETTERS,
)
async def list_dead_letters(
    request: Request, id: WebhookId, wanted: Annotated[PageParameters, Query()]
) -> Response:
    """List messages that were given up, newest first; the newest 1,000 are kept."""
    require_role(request, "operator")
    before = decode_page_cursor(wanted.cursor, int)
    async with context_of(request).database.connection() as connection:
        if await find_webhook(connection, id) is None:
            raise _unknown(id)
        page = await read_dead_letters(connection, id, before=before, limit=wanted.limit)
    following = encode_page_cursor(page[-1].number) if len(page) == wanted.limit else None
    return json_response(collection_document(request, [dead_letter_document(one) for one in page], following))


def _start(context: ApiContext, body: WebhookBody) -> str:
    """Return where a new webhook begins: here and now, unless with a snapshot."""
    begins_with_snapshot = "snapshot" in body.filter.events
    return "" if begins_with_snapshot or not context.hub.log_id else encode_cursor(context.hub.cursor())


def _unknown(id: str) -> ProblemError:
    return not_found(f"There is no subscription {id!r}; /v1/subscriptions lists them.")
