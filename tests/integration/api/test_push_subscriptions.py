"""Browsers that contacts subscribe over HTTP, in a real database: in the model, bounded, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace as replace_model
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from alerting.delivery.gone_subscriptions import GoneSubscriptions
from api.duty.push_routes import SUBSCRIPTION_VALID
from runtime.clock import system_clock
from runtime.push_key import PushKey, create_push_key_file
from storage.database import connect
from storage.model.model_source import ModelSource
from storage.model.model_store import apply_plan, load_model
from storage.model.push_subscriptions import (
    CONTACT_SUBSCRIPTIONS_MAX,
    SUBSCRIPTIONS_MAX,
    StoredSubscription,
    TooManySubscriptionsError,
    store_push_subscription,
)
from storage.stores.tokens import create_token
from tests.support.cities.city_builder import plan_of
from tests.support.cities.rosters import plan_with_calendar
from twin.instant import DAY, parse_instant
from twin.model.city_model import CityModel
from twin.model.duty import PUSH_URL, NotificationChannel, PushSubscription
from twin.model.role import Role

DEADLINE_S = 20.0
PATH = "/v1/duty/push-subscriptions"
ENDPOINT = "https://push.example.com/send/"
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


class Fixture:
    """A running api that watches its database, and API keys."""

    def __init__(self, api: Any, keys: dict[Role, str], database: str, pem: str) -> None:
        self.context = api.context
        self.database = database
        self.pem = pem
        self._client: httpx.AsyncClient = api.client
        self._keys = keys

    async def ask(self, method: str, path: str, role: Role = "duty", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        return await self._client.request(method, path, headers=headers, **more)

    async def wait_for(self, *endpoints: str) -> tuple[PushSubscription, ...]:
        """Return the subscriptions of the model once they are these."""
        async with asyncio.timeout(DEADLINE_S):
            while [one.endpoint for one in self.context.model.duty.push_subscriptions] != [*endpoints]:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.02)
        return self.context.model.duty.push_subscriptions  # type: ignore[no-any-return]


@pytest.fixture
async def duty(
    start_api: Any, kafka: str, database: str, model: CityModel, tmp_path: Path
) -> AsyncIterator[Fixture]:
    create_push_key_file(tmp_path / "push.key")
    pem = (tmp_path / "push.key").read_text()
    plan = replace(plan_with_calendar(""), channels=(NotificationChannel(id="push", url=PUSH_URL),))
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, replace_model(plan_of(model), duty=plan))
        city = await load_model(connection, "city")
        roles: tuple[Role, ...] = ("operator", "duty")
        keys = {role: await create_token(connection, f"desk of {role}", role) for role in roles}
    source = ModelSource(database, "city", tmp_path)
    async with start_api(kafka, model=city, database=database, models=source, push_key=pem) as api:
        yield Fixture(api, keys, database, pem)


def body(name: str = "1", **changes: Any) -> dict[str, Any]:
    known = {"contactId": "water", "endpoint": ENDPOINT + name, "keys": KEYS, "device": "Duty phone"}
    return {**known, **changes}


async def test_a_browser_subscribes_with_the_key_is_in_the_model_and_is_removed(duty: Fixture) -> None:
    key = (await duty.ask("GET", "/v1/duty/push-key", "operator")).json()
    assert key == {"applicationServerKey": PushKey.from_pem(duty.pem).public}
    made = await duty.ask("POST", PATH, json=body())
    assert made.status_code == 201, made.text
    [known] = await duty.wait_for(ENDPOINT + "1")
    assert (known.contact, known.p256dh, known.auth) == ("water", KEYS["p256dh"], KEYS["auth"])
    [listed] = (await duty.ask("GET", PATH)).json()["items"]
    assert listed == made.json()
    assert (listed["pushService"], listed["madeBy"]) == ("push.example.com", "desk of duty")
    valid = parse_instant(listed["expirationTime"]) - parse_instant(listed["madeTime"])
    assert abs(valid - SUBSCRIPTION_VALID) < DAY
    path = made.headers["location"]
    assert (await duty.ask("DELETE", path)).status_code == 204
    assert (await duty.ask("DELETE", path)).status_code == 404
    await duty.wait_for()


async def test_no_answer_and_no_record_of_a_change_holds_endpoint_or_keys(duty: Fixture) -> None:
    made = await duty.ask("POST", PATH, json=body("s3cret"))
    texts = [made.text, (await duty.ask("GET", PATH)).text]
    async with await connect(duty.database, role="test") as connection:
        rows = await connection.execute(
            "SELECT difference::text FROM model_change WHERE kind = 'push_subscription'"
        )
        texts += [text for (text,) in await rows.fetchall()]
    assert len(texts) == 3
    for secret in ("s3cret", *KEYS.values()):
        assert not any(secret in text for text in texts)


async def test_the_same_browser_again_is_the_same_subscription(duty: Fixture) -> None:
    first = (await duty.ask("POST", PATH, json=body())).json()
    again = (await duty.ask("POST", PATH, json=body(contactId="roads"))).json()
    assert (again["id"], again["contactId"]) == (first["id"], "roads")
    assert len((await duty.ask("GET", PATH)).json()["items"]) == 1


async def test_a_contact_has_a_bounded_number_of_browsers(duty: Fixture) -> None:
    for number in range(CONTACT_SUBSCRIPTIONS_MAX):
        assert (await duty.ask("POST", PATH, json=body(str(number)))).status_code == 201
    refused = await duty.ask("POST", PATH, json=body("more"))
    assert refused.status_code == 409
    assert "contact water has 5 browsers" in refused.json()["detail"].lower()
    assert (await duty.ask("POST", PATH, json=body("0"))).status_code == 201, "one of them, again"
    assert (await duty.ask("POST", PATH, json=body("more", contactId="roads"))).status_code == 201


async def test_all_contacts_together_have_a_bounded_number_and_those_that_expired_make_room(
    duty: Fixture,
) -> None:
    now = system_clock()

    def new(number: int, expires: int) -> StoredSubscription:
        subscription = PushSubscription(
            id="",
            contact=f"contact {number}",
            endpoint=f"{ENDPOINT}{number}",
            p256dh="",
            auth="",
            expires=expires,
        )
        return StoredSubscription(subscription, "", "test", now)

    async with await connect(duty.database, role="test") as connection:
        await connection.execute(
            "INSERT INTO push_subscription "
            "(contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at) "
            "SELECT 'of ' || n, 'https://push.example.com/old/' || n, '', '', '', '', now(), now() + '1 day' "
            "FROM generate_series(1, %s) n",
            (SUBSCRIPTIONS_MAX,),
        )
        with pytest.raises(TooManySubscriptionsError, match=f"there are {SUBSCRIPTIONS_MAX} browsers"):
            await store_push_subscription(connection, "city", new(1, now + DAY))
        await connection.execute(
            "UPDATE push_subscription SET expires_at = now() - interval '1 day' WHERE contact = 'of 1'"
        )
        await store_push_subscription(connection, "city", new(2, now + DAY))


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"contactId": "watre"}, "contactId", "water"),
        ({"endpoint": "http://127.0.0.1/x"}, "endpoint", "not on the public internet"),
        ({"endpoint": "https://10.0.0.1/x"}, "endpoint", "not on the public internet"),
        ({"endpoint": "https://user@push.example.com/x"}, "endpoint", "without user"),
        ({"keys": {**KEYS, "p256dh": "BCVx"}}, "keys.p256dh", "P-256"),
        ({"keys": {**KEYS, "auth": "BTBZ"}}, "keys.auth", "16 bytes"),
    ],
)
async def test_a_subscription_that_cannot_be_used_is_refused(
    duty: Fixture, changes: dict[str, Any], name: str, said: str
) -> None:
    refused = await duty.ask("POST", PATH, json=body(**changes))
    assert refused.status_code == 400
    [fault] = refused.json()["errors"]
    assert (fault["name"], said in fault["detail"]) == (name, True), fault


async def test_only_the_role_duty_subscribes_browsers(duty: Fixture) -> None:
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/1")):
        assert (await duty.ask(method, path, "operator", json=body())).status_code == 403


async def test_a_subscription_that_has_ended_is_removed_from_the_model(duty: Fixture) -> None:
    for name in ("1", "2"):
        await duty.ask("POST", PATH, json=body(name))
    first, _ = await duty.wait_for(ENDPOINT + "1", ENDPOINT + "2")
    gone = GoneSubscriptions(duty.database, "city")
    running = asyncio.create_task(gone.run())
    gone.add((first.id,))
    await duty.wait_for(ENDPOINT + "2")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
