"""Routes of web push: the server's public key, and the browsers that contacts have subscribed.

A browser is subscribed by somebody with the role duty, who may have any contact notified, as by an override.
A link of a message does not suffice: whoever got a forwarded one would read all later messages.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from alerting.delivery.push_channel import decoded_key
from api.access.authorization import actor_of
from api.context import ApiContext, context_of
from api.duty import answers as duty_answers
from api.duty.models import PushKeyModel, PushSubscriptionLinks, PushSubscriptionModel
from api.duty.schemas import PushSubscriptionBody
from api.http.answers import answers
from api.http.bodies import read_body
from api.http.models import Link
from api.http.pages import Page, page_links_model
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from cities.files.items import suggestion
from runtime.sink_address import SinkError
from storage.model.push_subscriptions import (
    StoredSubscription,
    TooManySubscriptionsError,
    read_push_subscriptions,
    remove_push_subscriptions,
    store_push_subscription,
)
from twin.instant import DAY, Duration, format_instant
from twin.model.duty import PUSH_URL, PushSubscription

router = APIRouter(prefix="/v1", tags=["duty"])

SUBSCRIPTION_VALID: Duration = 90 * DAY
"""How long a browser is subscribed; the page subscribes it again when it is opened."""

SubscriptionId = Annotated[str, Path(max_length=64)]

_AUTH_BYTES = 16


@router.get("/duty/push-key", summary="Get the public key of web push")
@answers(duty_answers.PUSH_KEY, problems=(HTTPStatus.NOT_FOUND,))
async def get_push_key(request: Request, _: NoQuery) -> Response:
    """Return the key with which a browser subscribes, as `applicationServerKey` (RFC 8292)."""
    key = context_of(request).push_key
    if key is None:
        raise not_found("This server sends no messages to browsers: LIVETWIN_PUSH_KEY of the api is not set.")
    return duty_answers.PUSH_KEY.response(PushKeyModel(application_server_key=key.public))


@router.get("/duty/push-subscriptions", summary="List the subscribed browsers of contacts")
@answers(duty_answers.PUSH_SUBSCRIPTIONS, role="duty")
async def list_push_subscriptions(request: Request, _: NoQuery) -> Response:
    """List the browsers that take messages, in the order of their subscription; at most 500."""
    context = context_of(request)
    async with context.database.connection() as connection:
        stored = await read_push_subscriptions(connection, context.clock())
    items = [_model(one) for one in stored]
    return duty_answers.PUSH_SUBSCRIPTIONS.response(Page(items=items, links=page_links_model(request, None)))


@router.post("/duty/push-subscriptions", summary="Subscribe a browser for a contact")
@answers(
    duty_answers.PUSH_SUBSCRIBED,
    problems=(HTTPStatus.CONFLICT,),
    role="duty",
    body=duty_answers.PUSH_SUBSCRIPTION_BODY,
)
async def create_push_subscription(request: Request, _: NoQuery) -> Response:
    """Let messages of a contact be pushed to a browser, for 90 days; at most five browsers for a contact.

    Subscribing the same browser again begins these days again, and may name another contact.
    """
    context = context_of(request)
    body = await read_body(request, PushSubscriptionBody)
    subscription = _requested(context, body)
    new = StoredSubscription(subscription, body.device, actor_of(request), context.clock())
    async with context.database.connection() as connection:
        try:
            stored = await store_push_subscription(connection, context.model.city.id, new)
        except TooManySubscriptionsError as error:
            raise ProblemError(HTTPStatus.CONFLICT, f"{error}.".capitalize()) from None
    headers = {"Location": _path(stored)}
    return duty_answers.PUSH_SUBSCRIBED.response(_model(stored), headers)


@router.delete("/duty/push-subscriptions/{id}", summary="Remove a browser")
@answers(duty_answers.PUSH_UNSUBSCRIBED, problems=(HTTPStatus.NOT_FOUND,), role="duty")
async def delete_push_subscription(request: Request, id: SubscriptionId, _: NoQuery) -> Response:
    """Send no further messages to a browser, and forget it."""
    context = context_of(request)
    async with context.database.connection() as connection:
        removed = await remove_push_subscriptions(connection, context.model.city.id, [id])
    if not removed:
        raise not_found(f"There is no browser {id!r}; /v1/duty/push-subscriptions lists them.")
    return duty_answers.PUSH_UNSUBSCRIBED.response()


def _requested(context: ApiContext, body: PushSubscriptionBody) -> PushSubscription:
    """Return the subscription of a body; raise a problem with all its faults."""
    plan, now = context.model.duty, context.clock()
    if context.push_key is None or not any(channel.url == PUSH_URL for channel in plan.channels):
        raise ProblemError(
            HTTPStatus.CONFLICT,
            f"Messages are not sent to browsers: the duty plan needs a channel with the URL {PUSH_URL}, and "
            "the api and alerting need LIVETWIN_PUSH_KEY.",
        )
    faults: list[tuple[str, str, str]] = []
    contacts = [contact.id for contact in plan.contacts]
    if body.contact_id not in contacts:
        found, like = repr(body.contact_id), suggestion(body.contact_id, contacts)
        faults.append(
            ("contactId", "unknown", f"found {found}, expected the id of a contact of the duty plan{like}")
        )
    try:
        context.sink_rules.check_url(body.endpoint)
        if urlsplit(body.endpoint).scheme != "https":
            faults.append(("endpoint", "refused", "expected the scheme https"))
    except SinkError as error:
        faults.append(("endpoint", "refused", str(error)))
    if not _is_point(body.keys.p256dh):
        faults.append(
            ("keys.p256dh", "value", "expected an uncompressed point of the curve P-256, as base64url")
        )
    if not _has_bytes(body.keys.auth, _AUTH_BYTES):
        faults.append(("keys.auth", "value", f"expected {_AUTH_BYTES} bytes, as base64url"))
    if faults:
        raise bad_request(*(RequestFault("body", *fault) for fault in faults))
    return PushSubscription(
        id="",
        contact=body.contact_id,
        endpoint=body.endpoint,
        p256dh=body.keys.p256dh.rstrip("="),
        auth=body.keys.auth.rstrip("="),
        expires=now + SUBSCRIPTION_VALID,
    )


def _is_point(text: str) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded_key(text.rstrip("=")))
    except ValueError:
        return False
    return _has_bytes(text, 65)


def _has_bytes(text: str, count: int) -> bool:
    try:
        return len(decoded_key(text.rstrip("="))) == count
    except ValueError:
        return False


def _model(stored: StoredSubscription) -> PushSubscriptionModel:
    """Return a subscription without endpoint and keys: with them anybody could send to the browser."""
    subscription = stored.subscription
    return PushSubscriptionModel(
        id=subscription.id,
        contact_id=subscription.contact,
        device=stored.device,
        push_service=urlsplit(subscription.endpoint).hostname or "",
        made_by=stored.made_by,
        made_time=format_instant(stored.made),
        expiration_time=format_instant(subscription.expires),
        links=PushSubscriptionLinks(collection=Link(href="/v1/duty/push-subscriptions")),
    )


def _path(stored: StoredSubscription) -> str:
    return f"/v1/duty/push-subscriptions/{stored.subscription.id}"
