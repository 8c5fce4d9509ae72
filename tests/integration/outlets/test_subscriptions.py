"""Subscriptions over HTTP: created, rejected and deleted."""

from __future__ import annotations

from typing import Any

from storage.database import connect
from storage.stores.tokens import create_token
from tests.integration.outlets.webhook_system import KEY, WebhookSystem, until_received
from tests.support.receivers.webhook_receiver import webhook_receiver


async def test_a_deleted_webhook_receives_nothing(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as deleted, webhook_receiver() as receiver:
        gone = await hooks.subscribe(deleted.url)
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(deleted, lambda one: len(one.accepted_events) == 1)
        path = f"/v1/subscriptions/{gone['id']}"
        assert (await hooks.client.delete(path, headers=KEY)).status_code == 204
        assert (await hooks.client.delete(path, headers=KEY)).status_code == 404
        assert [one["url"] for one in (await hooks.get(""))["items"]] == [receiver.url]
        await hooks.counts("livetwin_outlets_webhooks", 1)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 2)
    assert len(deleted.requests) == 1


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["url"]),
    ({"url": "http://example.org/"}, ["url"]),
    ({"url": "https://192.168.1.1/"}, ["url"]),
    ({"url": "https://example.org/", "mode": "twice", "filter": {"tpye": ["Road"]}}, ["filter.tpye", "mode"]),
    ({"url": "https://example.org/", "filter": {"events": ["alarms"]}}, ["filter.events.0"]),
    ({"url": "https://example.org/", "filter": {"bbox": "4,52"}}, ["filter.bbox"]),
    ({"url": "https://example.org/", "filter": {"bbox": "4,52,200,53"}}, ["filter.bbox"]),
    ({"url": "https://example.org/", "filter": {"bbox": "4,52,5,91"}}, ["filter.bbox"]),
]


async def test_a_wrong_subscription_is_refused_with_all_its_faults(hooks: WebhookSystem) -> None:
    for body, names in WRONG:
        answer = await hooks.client.post("/v1/subscriptions", json=body, headers=KEY)
        assert answer.status_code == 400, body
        assert sorted(one["name"] for one in answer.json()["errors"]) == names
    assert (await hooks.get(""))["items"] == []


async def test_only_operators_may_manage_webhooks(hooks: WebhookSystem) -> None:
    for path in ("", "/abc", "/abc/dead-letters"):
        assert (await hooks.client.get(f"/v1/subscriptions{path}")).status_code == 401
    assert (await hooks.client.post("/v1/subscriptions", json={})).status_code == 401
    for path in ("/abc", "/abc/dead-letters"):
        assert (await hooks.client.get(f"/v1/subscriptions{path}", headers=KEY)).status_code == 404
    answer = await hooks.client.post("/v1/subscriptions/abc/_resume", json={"cursor": "?"}, headers=KEY)
    assert answer.status_code == 400
    answer = await hooks.client.post("/v1/subscriptions/abc/_resume", headers=KEY)
    assert answer.status_code == 404


async def test_an_operator_in_an_area_manages_the_webhooks_of_it(hooks: WebhookSystem, database: str) -> None:
    async with await connect(database, role="test") as connection:
        made = await create_token(connection, "desk", "operator", ["city.1", "city.2"])
    desk = {"Authorization": f"Bearer {made}"}
    url = "https://example.org/"
    for filter in ({}, {"entity": ["city.1", "city.3"]}, {"parent": ["city"]}, {"type": ["Neighbourhood"]}):
        body = {"url": url, "filter": filter}
        refused = await hooks.client.post("/v1/subscriptions", json=body, headers=desk)
        assert refused.status_code == 403, filter
        assert "operator in city.1, city.2 only" in refused.json()["detail"]
    whole, elsewhere = await hooks.subscribe(url), await hooks.subscribe(url, entity=["city.3"])
    shared = await hooks.subscribe(url, entity=["city.2"])
    body = {"url": url, "filter": {"entity": ["city.1"]}}
    own = (await hooks.client.post("/v1/subscriptions", json=body, headers=desk)).json()
    listed = (await hooks.client.get("/v1/subscriptions", headers=desk)).json()["items"]
    assert [one["id"] for one in listed] == [shared["id"], own["id"]]
    assert len((await hooks.get(""))["items"]) == 4
    requests = (("GET", ""), ("GET", "/dead-letters"), ("POST", "/_resume"), ("DELETE", ""))
    for webhook, expected in (
        (whole, [403] * 4),
        (elsewhere, [403] * 4),
        (shared, [200, 200, 200, 204]),
        (own, [200, 200, 200, 204]),
    ):
        path = f"/v1/subscriptions/{webhook['id']}"
        answers = [
            await hooks.client.request(method, f"{path}{end}", headers=desk) for method, end in requests
        ]
        assert [answer.status_code for answer in answers] == expected
    assert [one["id"] for one in (await hooks.get(""))["items"]] == [whole["id"], elsewhere["id"]]


DEPRECATION = {
    "deprecation": "@1796083200",
    "sunset": "Wed, 01 Dec 2027 00:00:00 GMT",
    "link": '</v1/openapi.json>; rel="deprecation"; type="application/json"',
}


async def test_answers_about_the_deprecated_form_say_until_when_it_is_sent(hooks: WebhookSystem) -> None:
    for format, expected in (("livetwin", DEPRECATION), ("nlgov", {})):
        body = {"url": "https://example.org/", "format": format}
        made = await hooks.client.post("/v1/subscriptions", json=body, headers=KEY)
        path = f"/v1/subscriptions/{made.json()['id']}"
        shown = await hooks.client.get(path, headers=KEY)
        resumed = await hooks.client.post(f"{path}/_resume", json={}, headers=KEY)
        for answer in (made, shown, resumed):
            assert {name: answer.headers[name] for name in DEPRECATION if name in answer.headers} == expected
            assert ("sunsetTime" in answer.json()) is bool(expected)
    listed = await hooks.client.get("/v1/subscriptions", headers=KEY)
    assert "deprecation" not in listed.headers
    assert [one.get("sunsetTime") for one in listed.json()["items"]] == ["2027-12-01T00:00:00Z", None]
