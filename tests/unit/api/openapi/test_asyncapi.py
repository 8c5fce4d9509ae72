"""The AsyncAPI document: its references resolve, and what is sent is as its schemas say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.context import ApiContext
from api.live.cursor import Cursor, encode_cursor
from api.live.events import decode_events, encode_event, gap_data, heartbeat_data
from api.live.messages import event_messages
from api.live.models import GapReason
from api.webhooks.cloud_event import EventSource, cloud_event
from outlets.webhook_message import build_message
from outlets.webhook_message import encode_event as encode_cloud_event
from tests.support.http.documented_answers import closed


@pytest.fixture
async def document(parts: ApiContext) -> dict[str, Any]:
    transport = httpx.ASGITransport(create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        response = await client.get("/v1/asyncapi.json")
    assert response.status_code == 200
    assert response.headers["etag"]
    found: dict[str, Any] = response.json()
    return found


def references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for each in part:
            yield from references(each)
    elif isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)


def resolved(document: dict[str, Any], reference: str) -> Any:
    part: Any = document
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def faults(document: dict[str, Any], message: str, body: Any) -> list[str]:
    schema = document["components"]["messages"][message]["payload"]
    schemas = {name: closed(each) for name, each in document["components"]["schemas"].items()}
    whole = {**schema, "components": {"schemas": schemas}}
    return [each.message for each in Draft202012Validator(whole).iter_errors(body)]


async def test_every_reference_resolves_and_messages_of_operations_are_of_their_channel(
    document: dict[str, Any],
) -> None:
    for reference in references(document):
        assert resolved(document, reference)
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])


async def test_every_message_is_sent_or_received_by_an_operation(document: dict[str, Any]) -> None:
    used = {each["$ref"] for one in document["operations"].values() for each in one["messages"]}
    for name, channel in document["channels"].items():
        assert {f"#/channels/{name}/messages/{one}" for one in channel["messages"]} <= used


async def test_what_is_sent_is_as_described(document: dict[str, Any]) -> None:
    gap = encode_event("gap", encode_cursor(Cursor("log-1", ((0, 0),), 5)), gap_data(GapReason.TOO_SLOW))
    (message,) = event_messages("a", gap)
    assert faults(document, "events", json.loads(message)) == []
    (event,) = decode_events(gap)
    body = {"id": event.cursor, "event": "gap", "data": json.loads(event.data)}
    assert faults(document, "gap", body) == []
    assert faults(document, "gap", {**body, "data": {"reason": "none"}})
    for format in ("livetwin", "nlgov"):
        encoded = encode_cloud_event("gap", cloud_event(event, EventSource.of_city("city"), format, ""))
        sent = build_message([encoded], "batch")
        assert faults(document, "cloudEvents", json.loads(sent.body)) == []


async def test_heartbeats_are_described(document: dict[str, Any]) -> None:
    body = {"id": "c1", "event": "heartbeat", "data": json.loads(heartbeat_data(5, None, 4))}
    assert faults(document, "heartbeat", body) == []
    assert faults(document, "heartbeat", {**body, "data": {"time": "now"}})
    assert "heartbeat" in document["operations"]["sendEvents"]["bindings"]["http"]["query"]["properties"]
    message = {"type": "subscribe", "subscription": "a", "heartbeat": "PT5S"}
    assert faults(document, "subscribe", message) == []


async def test_messages_of_clients_are_as_described(document: dict[str, Any]) -> None:
    message = {"type": "subscribe", "subscription": "a", "filter": {"property": ["no2"]}, "minChange": 1}
    assert faults(document, "subscribe", message) == []
    assert faults(document, "subscribe", {**message, "subscription": "a b"})
    assert faults(document, "unsubscribe", {"type": "unsubscribe", "subscription": "a"}) == []


async def test_servers_and_topics_are_those_of_the_installation(document: dict[str, Any]) -> None:
    assert document["servers"]["websocket"]["protocol"] == "ws"
    assert document["channels"]["entityState"]["address"] == "livetwin/city/entities/{entityId}/state"
