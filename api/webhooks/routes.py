"""Routes of webhooks, which receive the events of the live stream; the outlets role sends them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.access.authorization import actor_of, require, rights_of
from api.access.rights import Rights
from api.context import ApiContext, context_of
from api.http.answers import answers
from api.http.bodies import read_body
from api.http.pages import Page, page_links_model, render_page
from api.http.parameters import NoQuery, PageParameters
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import decode_page_cursor, next_cursor
from api.live.cursor import encode_cursor
from api.webhooks import answers as webhook_answers
from api.webhooks.documents import (
    created_webhook,
    dead_letter_model,
    deprecation_headers,
    webhook_model,
)
from api.webhooks.schemas import ResumeBody, WebhookBody, stored_filter
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


@router.post("/subscriptions", summary="Create a webhook")
@answers(
    webhook_answers.CREATED,
    problems=(HTTPStatus.CONFLICT,),
    role="operator",
    in_areas=True,
    body=webhook_answers.BODY,
)
async def create_subscription(request: Request, _: NoQuery) -> Response:
    """Create a webhook: matching events are sent to `url` from now on, signed with the returned secret.

    The secret is shown only here. With the event `snapshot` the webhook starts with a snapshot. Before the
    first message, the receiver is asked for its consent (CloudEvents web hooks, section 4).

    A key that is limited to areas needs a filter with `entity` or `parent` of which all lie inside.
    """
    context = context_of(request)
    body = await read_body(request, WebhookBody)
    _require_at(rights_of(request), stored_filter(body))
    try:
        context.sink_rules.check_url(body.url)
    except SinkError as error:
        raise bad_request(RequestFault("body", "url", "refused", str(error))) from None
    webhook = Webhook(
        id=secrets.token_hex(ID_BYTES),
        url=body.url,
        filter=stored_filter(body),
        mode=body.mode,
        format=body.format,
        handshake=body.format == "nlgov" if body.handshake is None else body.handshake,
        secret=secrets.token_bytes(SECRET_BYTES),
        created=context.clock(),
        created_by=actor_of(request),
        progress=WebhookProgress(cursor=_start(context, body)),
    )
    async with context.database.connection() as connection:
        if not await insert_webhook(connection, webhook):
            raise ProblemError(
                HTTPStatus.CONFLICT,
                f"There are {WEBHOOKS_MAX} subscriptions, which is the limit: delete one first.",
            )
    headers = {"Location": f"/v1/subscriptions/{webhook.id}", **deprecation_headers(webhook)}
    return webhook_answers.CREATED.response(created_webhook(webhook), headers)


@router.get("/subscriptions", summary="List webhooks")
@answers(webhook_answers.WEBHOOKS, role="operator", in_areas=True)
async def list_subscriptions(request: Request, _: NoQuery) -> Response:
    """List webhooks, oldest first; at most 100 exist. A key that is limited to areas gets those inside."""
    async with context_of(request).database.connection() as connection:
        webhooks = await read_webhooks(connection)
    rights = rights_of(request)
    items = [webhook_model(webhook) for webhook in webhooks if _may_manage(rights, webhook.filter)]
    return webhook_answers.WEBHOOKS.response(Page(items=items, links=page_links_model(request, None)))


@router.get("/subscriptions/{id}", summary="Get a webhook")
@answers(webhook_answers.WEBHOOK, problems=(HTTPStatus.NOT_FOUND,), role="operator", in_areas=True)
async def get_subscription(request: Request, id: WebhookId, _: NoQuery) -> Response:
    """Return a webhook and its progress, which is stored about once a second."""
    webhook = await _managed_webhook(request, id)
    return webhook_answers.WEBHOOK.response(webhook_model(webhook), deprecation_headers(webhook))


@router.delete("/subscriptions/{id}", summary="Delete a webhook")
@answers(webhook_answers.DELETED, problems=(HTTPStatus.NOT_FOUND,), role="operator", in_areas=True)
async def delete_subscription(request: Request, id: WebhookId, _: NoQuery) -> Response:
    """Delete a webhook with its dead letters; sending ends within two seconds."""
    await _managed_webhook(request, id)
    async with context_of(request).database.connection() as connection:
        if not await delete_webhook(connection, id):
            raise _unknown(id)
    return webhook_answers.DELETED.response()


@router.post("/subscriptions/{id}/_resume", summary="Resume a webhook")
@answers(
    webhook_answers.WEBHOOK,
    problems=(HTTPStatus.NOT_FOUND,),
    role="operator",
    in_areas=True,
    body=webhook_answers.RESUME_BODY,
)
async def resume_subscription(request: Request, id: WebhookId, _: NoQuery) -> Response:
    """Resume a webhook that failed or was disabled, or continue any webhook from a cursor.

    A receiver that must consent is asked again.
    """
    body = await read_body(request, ResumeBody)
    await _managed_webhook(request, id)
    async with context_of(request).database.connection() as connection:
        if not await resume_webhook(connection, id, body.cursor):
            raise _unknown(id)
        webhook = await find_webhook(connection, id)
    if webhook is None:
        raise _unknown(id)
    return webhook_answers.WEBHOOK.response(webhook_model(webhook), deprecation_headers(webhook))


@router.get("/subscriptions/{id}/dead-letters", summary="List the dead letters of a webhook")
@answers(webhook_answers.DEAD_LETTERS, problems=(HTTPStatus.NOT_FOUND,), role="operator", in_areas=True)
async def list_dead_letters(
    request: Request, id: WebhookId, parameters: Annotated[PageParameters, Query()]
) -> Response:
    """List the messages that could not be delivered, newest first; the newest 1,000 are kept."""
    before = decode_page_cursor(parameters.cursor, int)
    await _managed_webhook(request, id)
    async with context_of(request).database.connection() as connection:
        page = await read_dead_letters(connection, id, before=before, limit=parameters.limit)
    following = next_cursor(page, parameters.limit, lambda last: last.number)
    return webhook_answers.DEAD_LETTERS.response(
        render_page(request, page, dead_letter_model, lambda last: last.number, following)
    )


async def _managed_webhook(request: Request, id: str) -> Webhook:
    """Return a webhook that a request may read and change; raise a problem: 404, 401 or 403."""
    webhook = await stored_webhook(context_of(request), id)
    if webhook is None:
        raise _unknown(id)
    _require_at(rights_of(request), webhook.filter)
    return webhook


async def stored_webhook(context: ApiContext, id: str) -> Webhook | None:
    """Return the webhook of an id; raise a problem (503) without a database."""
    async with context.database.connection() as connection:
        return await find_webhook(connection, id)


def _may_manage(rights: Rights, filter: Mapping[str, Any]) -> bool:
    """Return whether a principal is an operator wherever the events of a filter are from."""
    return rights.includes_within("operator", filter.get("entity", ()), filter.get("parent", ()))


def _require_at(rights: Rights, filter: Mapping[str, Any]) -> None:
    require(_may_manage(rights, filter), rights, "operator")


def _start(context: ApiContext, body: WebhookBody) -> str:
    """Return the cursor from which a new webhook starts: the present one, or "" for a snapshot."""
    wants_snapshot = "snapshot" in body.filter.events
    return "" if wants_snapshot or not context.hub.log_id else encode_cursor(context.hub.cursor())


def _unknown(id: str) -> ProblemError:
    return not_found(f"There is no subscription {id!r}; /v1/subscriptions lists them.")
