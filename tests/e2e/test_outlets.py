"""A value that enters the system leaves it again: retained on its broker, and sent to a webhook."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from runtime.mqtt.outlet_topics import OutletTopics
from tests.support.brokers.mqtt_subscriber import ReceivedMessage, TopicSubscriber, follow_topics
from tests.support.receivers.webhook_receiver import webhook_receiver
from tests.support.waiting import WAIT_S, wait_until
from tests.unit.outlets.test_signature import documented_verify
from twin.instant import SECOND, format_instant

pytestmark = pytest.mark.embedded

ENTITY = "alkmaar.oud-overdie"
DEVICE = "eui-a81758fffed17e95"
VALUE = 21.375  # used by no other test on this system


async def test_a_value_is_retained_on_mqtt_and_sent_to_a_webhook(running_system: Any) -> None:
    key = {"Authorization": f"Bearer {running_system.operator_key}"}
    async with (
        webhook_receiver() as receiver,
        httpx.AsyncClient(base_url=running_system.http, headers=key, timeout=WAIT_S) as client,
    ):
        wanted = {"url": receiver.url, "filter": {"entity": [ENTITY], "property": ["pm2_5"]}}
        made = (await client.post("/v1/subscriptions", json=wanted)).raise_for_status().json()
        running_system.publish(f"v3/alkmaar-air@ttn/devices/{DEVICE}/up", uplink())
        async with asyncio.timeout(WAIT_S), receiver.changed:
            await receiver.changed.wait_for(
                lambda: any(one["data"]["value"] == VALUE for one in receiver.accepted_events)
            )
        (await client.delete(f"/v1/subscriptions/{made['id']}")).raise_for_status()
        last = receiver.requests[-1]
        assert documented_verify()(made["secret"], last.headers, last.body, system_clock() / SECOND)
        answer = (await client.get(f"/v1/entities/{ENTITY}/state")).json()
    with follow_topics(running_system.mqtt, *OutletTopics("alkmaar").filters) as watcher:
        await asyncio.to_thread(
            wait_until, lambda: message_with_value(watcher) is not None, lambda: watcher.messages[-5:]
        )
    retained = message_with_value(watcher)
    assert retained is not None
    assert retained.content["properties"]["pm2_5"] == answer["properties"]["pm2_5"]


def message_with_value(watcher: TopicSubscriber) -> ReceivedMessage | None:
    """Return the message with the value, once it has been received."""
    for message in watcher.on_topic(OutletTopics("alkmaar").entity_topic(ENTITY)):
        if message.content["properties"].get("pm2_5", {}).get("value") == VALUE:
            return message
    return None


def uplink() -> bytes:
    time = format_instant(system_clock() // SECOND * SECOND)
    return json.dumps(
        {
            "end_device_ids": {"device_id": DEVICE, "application_ids": {"application_id": "alkmaar-air"}},
            "received_at": time,
            "uplink_message": {"f_port": 2, "decoded_payload": {"pm2_5": VALUE}, "received_at": time},
        }
    ).encode()
