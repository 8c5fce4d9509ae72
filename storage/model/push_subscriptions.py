"""Stores the browsers to which contacts let messages be pushed. Each change raises the version of the model.

The model's audit has neither endpoint nor keys: whoever reads it could otherwise send to the browser.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from storage.database import Connection
from storage.model.model_audit import raise_model_version, record_model_change
from storage.model.model_rows import ChangeAction
from storage.queries import query
from twin.errors import TwinError
from twin.instant import Instant, from_datetime, to_datetime
from twin.model.duty import PushSubscription

CONTACT_SUBSCRIPTIONS_MAX = 5
"""The most browsers of one contact: each message goes to all of them."""

SUBSCRIPTIONS_MAX = 500
"""The most browsers of all contacts, which every role has in its model: some 300 bytes each."""


class TooManySubscriptionsError(TwinError):
    """No further subscription is accepted."""


class StoredSubscription(NamedTuple):
    """A subscription, with what its owner calls the browser, and who made it."""

    subscription: PushSubscription
    device: str
    made_by: str  #: name of an API key
    made: Instant


async def read_push_subscriptions(connection: Connection, now: Instant) -> tuple[StoredSubscription, ...]:
    """Return the subscriptions that have not expired, in the order of their creation."""
    rows = await connection.execute(query("model/push/list_push_subscriptions"), {"now": to_datetime(now)})
    return tuple(map(_from_row, await rows.fetchall()))


async def store_push_subscription(
    connection: Connection, city: str, new: StoredSubscription
) -> StoredSubscription:
    """Store a subscription, and return it with its id; one with the same endpoint is replaced.

    Raises TooManySubscriptionsError when the contact, or all of them, have the most that there may be.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        await connection.execute(
            query("model/push/delete_expired_push_subscriptions"), {"now": to_datetime(new.made)}
        )
        known = [one.subscription for one in await read_push_subscriptions(connection, new.made)]
        others = [one for one in known if one.endpoint != new.subscription.endpoint]
        _check_room(others, new.subscription.contact)
        parameters = {
            "contact": new.subscription.contact,
            "endpoint": new.subscription.endpoint,
            "p256dh": new.subscription.p256dh,
            "auth": new.subscription.auth,
            "device": new.device,
            "made_by": new.made_by,
            "made_at": to_datetime(new.made),
            "expires_at": to_datetime(new.subscription.expires),
        }
        rows = await connection.execute(query("model/push/write_push_subscription"), parameters)
        stored = _from_row((await rows.fetchall())[0])
        action: ChangeAction = "create" if len(others) == len(known) else "update"
        await _record_change(connection, city, stored, action)
    return stored


def _check_room(others: list[PushSubscription], contact: str) -> None:
    of_contact = sum(one.contact == contact for one in others)
    if of_contact >= CONTACT_SUBSCRIPTIONS_MAX:
        raise TooManySubscriptionsError(
            f"contact {contact} has {of_contact} browsers, which is the limit; remove one first"
        )
    if len(others) >= SUBSCRIPTIONS_MAX:
        raise TooManySubscriptionsError(
            f"there are {len(others)} browsers of all contacts, which is the limit; remove some first"
        )


async def remove_push_subscriptions(
    connection: Connection, city: str, ids: Iterable[str]
) -> tuple[StoredSubscription, ...]:
    """Delete subscriptions by their ids; return those that there were."""
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        rows = await connection.execute(query("model/push/delete_push_subscriptions"), {"ids": list(ids)})
        removed = tuple(map(_from_row, await rows.fetchall()))
        for one in removed:
            await _record_change(connection, city, one, "retire")
    return removed


def _from_row(row: tuple[Any, ...]) -> StoredSubscription:
    id, contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at = row
    subscription = PushSubscription(
        id=id,
        contact=contact,
        endpoint=endpoint,
        p256dh=p256dh,
        auth=auth,
        expires=from_datetime(expires_at),
    )
    return StoredSubscription(subscription, device, made_by, from_datetime(made_at))


async def _record_change(
    connection: Connection, city: str, stored: StoredSubscription, action: ChangeAction
) -> None:
    facts = {"contact": stored.subscription.contact, "device": stored.device, "by": stored.made_by}
    version = await raise_model_version(connection, city)
    await record_model_change(
        connection,
        version=version,
        kind="push_subscription",
        key=stored.subscription.id,
        action=action,
        difference={
            name: [value, None] if action == "retire" else [None, value] for name, value in facts.items()
        },
    )
