"""What each principal gets over each transport of events: measured on streams, sockets and deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from random import Random
from typing import Any, NamedTuple

import httpx
from msgspec.structs import replace
from paho.mqtt.client import topic_matches_sub
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from api.context import ApiContext
from api.live.cursor import encode_cursor
from api.live.hub import Hub
from api.webhooks.cloud_event import EventSource
from ingest.broker_accounts import broker_accounts
from ingest.decoders import registry
from outlets.metrics import OutletMetrics
from outlets.mqtt_connection import MqttConnectionOptions
from outlets.mqtt_publisher import MqttPublication, MqttPublisher
from outlets.pending_changes import PendingChanges
from outlets.retry_policy import WebhookRetryPolicy
from outlets.webhook_delivery import DeliveryDependencies, WebhookDelivery
from outlets.webhook_message import WebhookMessage
from outlets.webhook_sender import DeliveryResult, WebhookSender
from runtime.mqtt.access import MqttAccess
from runtime.mqtt.outlet_topics import OutletTopics
from storage.stores.webhooks import Webhook, WebhookProgress
from tests.support.cities.city_builder import plan_of
from tests.support.http.asgi_connection import DEADLINE_S, asgi_connection
from tests.support.http.permission_matrix import REFUSED, Column
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event
from twin.alarms.messages import AlarmBatch
from twin.model.bilingual_text import BilingualText
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Update, UpdateKind

COMPLETE = '"complete":true'
"""In the last event of a snapshot."""

READING = 0.4321
PERSON = "P. Jansen"
GUIDANCE = BilingualText("Call the lock-keeper.", "Bel de sluiswachter.")
"""Of the rule of the alarm that is open to all."""


KINDS = (
    "changes",
    "readings of households",
    "alarms of meters of households",
    "names and texts of people",
    "guidance of rules",
)
"""What may be in events. The first is open to all, and comes last."""


WEBHOOKS: Mapping[str, dict[str, Any]] = {
    "create for the city": {},
    "create for the alarm's entity": {"entity": ["city.canal"]},
}
"""Filters of webhooks, by the step of creating one."""


class Marks(NamedTuple):
    """Texts by which a reader notices what it got."""

    changes: str
    alarm: str  #: of an alarm that is open to all
    household: str
    meter: str
    silent_alarm: str  #: id of the alarm of a meter

    def kinds_in(self, text: str) -> frozenset[str]:
        """Return which kinds of `KINDS` a text has."""
        marks = (
            (self.changes, self.alarm),
            (self.household, str(READING)),
            (self.meter,),
            (PERSON,),
            (GUIDANCE.en, GUIDANCE.nl),
        )
        return frozenset(
            kind for kind, texts in zip(KINDS, marks, strict=True) if any(each in text for each in texts)
        )


class Changes:
    """Adds to the log what streams are to keep back, and then a change that is open to all."""

    def __init__(self, hub: Hub, make_update: Callable[..., Update], *, open: int, household: int) -> None:
        self._hub = hub
        self._make_update = make_update
        self._open = open  # datastreams
        self._household = household
        self._revision = 1_000_000
        self.entities = [hub.model.datastreams[id].entity for id in (open, household)]

    def write(self) -> Marks:
        """Add them, and return their marks."""
        hub, first = self._hub, self._revision + 1
        self._revision += 10
        reading = self._make_update(self._household, first, READING)
        hub.on_updates(1, hub.positions[1][0], [replace(reading, value=nan, kind=UpdateKind.PERSONAL)])
        silent = alarm_event("silent", reading.entity, first + 1, sensor="meter-1", operands=())
        known = acknowledged_event(alarm_event(revision=first + 2), PERSON)
        alarms = silent, replace(known, text=f"{PERSON} has called")
        hub.on_alarms(2, hub.positions[2][0], AlarmBatch(LAYOUT_VERSION, known.time, alarms, ()))
        last = self._make_update(self._open, first + 8, 12.0)
        hub.on_updates(0, hub.positions[0][0], [last])
        household, meter, alarm, changes = (f'"revision":{first + more},' for more in (0, 1, 3, 8))
        return Marks(changes, alarm, household, meter, silent.alarm)


class Outcome(NamedTuple):
    """What a principal got over one transport: the steps that it was allowed, and kinds of content."""

    steps: frozenset[str]
    kinds: frozenset[str]


REFUSED_AT_ONCE = Outcome(frozenset(), frozenset())


@dataclass(frozen=True, kw_only=True)
class Transports:
    """The transports of one api, with a client for its other requests."""

    app: ASGIApp
    context: ApiContext
    client: httpx.AsyncClient
    changes: Changes

    async def requests(self, credential: str | None) -> Outcome:
        """Read states of entities, alarms, and rules."""
        marks = self.changes.write()
        text = ""
        states = (f"/v1/entities/{each}/state" for each in self.changes.entities)
        for path in (*states, "/v1/alarms", "/v1/rules"):
            answer = await self.client.get(path, headers=_headers(credential))
            text += answer.text if answer.status_code not in REFUSED else ""
        return Outcome(frozenset(), marks.kinds_in(text))

    async def events(self, credential: str | None) -> Outcome:
        """Follow `GET /v1/live`."""
        return await self._stream("/v1/live", COMPLETE, credential)

    async def durable(self, credential: str | None) -> Outcome:
        """Follow `GET /v1/streams/live`."""
        return await self._stream("/v1/streams/live?offset=now&live=sse", "upToDate", credential)

    async def _stream(self, url: str, ready: str, credential: str | None) -> Outcome:
        async with asgi_connection(self.app, url, credential) as connection:
            if connection.status in REFUSED:
                return REFUSED_AT_ONCE
            await connection.until(ready)
            marks = self.changes.write()
            return Outcome(frozenset(), marks.kinds_in(await connection.until(marks.changes)))

    async def socket(self, credential: str | None) -> Outcome:
        """Open `WS /v1/live/ws`, and subscribe."""
        async with asgi_connection(self.app, "/v1/live/ws", credential, websocket=True) as connection:
            if connection.status in REFUSED:
                return REFUSED_AT_ONCE
            connection.send({"type": "subscribe", "subscription": "a"})
            if '"subscribed"' not in await connection.until('"type"'):
                return Outcome(frozenset({"handshake"}), frozenset())
            await connection.until(COMPLETE)
            marks = self.changes.write()
            kinds = marks.kinds_in(await connection.until(marks.changes))
            return Outcome(frozenset({"handshake", "`subscribe`"}), kinds)

    async def webhook(self, credential: str | None) -> Outcome:
        """Create a webhook, and take what it delivers."""
        steps, kinds = set[str](), set[str]()
        for step, filter in WEBHOOKS.items():
            # It is not stored: there is no database.
            body = {"url": "https://example.org/", "filter": filter}
            answer = await self.client.post("/v1/subscriptions", json=body, headers=_headers(credential))
            if answer.status_code not in REFUSED:
                steps.add(step)
                kinds |= await self.delivered(filter)
        return Outcome(frozenset(steps), frozenset(kinds))

    async def delivered(self, filter: dict[str, Any]) -> frozenset[str]:
        """Return what a webhook with a filter delivers."""
        sender = _Receiver()
        context = self.context
        webhook = Webhook(
            id="1",
            url="https://example.org/",
            filter=filter,
            mode="batch",
            format="nlgov",
            handshake=False,
            secret=b"0" * 32,
            created=0,
            created_by="tests",
            progress=WebhookProgress(cursor=encode_cursor(context.hub.cursor())),
        )
        dependencies = DeliveryDependencies(
            streams=context.event_streams,
            sender=sender,
            source=EventSource.of_city("city"),
            policy=WebhookRetryPolicy(),
            rng=Random(1),
            clock=context.clock,
            metrics=OutletMetrics(CollectorRegistry()),
            batch_s=0.0,
            add_dead_letter=_no_dead_letter,
        )
        marks = self.changes.write()
        delivery = asyncio.create_task(WebhookDelivery(webhook, dependencies).run())
        try:
            return marks.kinds_in(await sender.until(marks.alarm if filter else marks.changes))
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)

    async def mqtt(self, credential: str | None) -> Outcome:
        """Read what the outlets publish, with the account of the broker that a credential names."""
        accounts = {each.name: each for each in broker_accounts(plan_of(self.context.model), registry())}
        account = accounts.get(credential or "")
        if account is None:
            return REFUSED_AT_ONCE
        marks = self.changes.write()
        published = [
            message.payload.decode()
            for message in self._publications(acknowledged_event(alarm_event()).alarm, marks.silent_alarm)
            if any(topic_matches_sub(each, message.topic) for each in account.reads)
        ]
        return Outcome(frozenset(), marks.kinds_in("".join(published)))

    def _publications(self, *alarms: str) -> Iterator[MqttPublication]:
        """Yield the messages of each entity, and of alarms."""
        publisher = MqttPublisher(
            MqttConnectionOptions(broker=MqttAccess(host="127.0.0.1", port=9)),
            follower=self.context.log_follower,
            hub=self.context.hub,
            changes=PendingChanges(),
            clock=self.context.clock,
            metrics=OutletMetrics(CollectorRegistry()),
            period_s=1.0,
            messages_per_s_max=1,
        )
        topics = OutletTopics(self.context.model.city.id)
        for entity in self.context.model.entities:
            yield from publisher.entity_messages(topics, entity)
        for alarm in alarms:
            yield from publisher.alarm_messages(topics, alarm)


def _headers(credential: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"} if credential else {}


async def _no_dead_letter(*_: object) -> None:
    raise AssertionError("the receiver takes everything")


class _Receiver(WebhookSender):
    """Takes every message."""

    def __init__(self) -> None:
        self._messages = asyncio.Queue[str]()

    async def send(
        self, url: str, secret: bytes, message: WebhookMessage, *, names_origin: bool
    ) -> DeliveryResult:
        """Take a message."""
        self._messages.put_nowait(message.body.decode())
        return DeliveryResult("delivered")

    async def until(self, mark: str) -> str:
        """Return the messages, up to the one with a text."""
        text = ""
        async with asyncio.timeout(DEADLINE_S):
            while mark not in text:
                text += await self._messages.get()
        return text


TRANSPORTS: Mapping[str, tuple[Callable[[Transports, str | None], Awaitable[Outcome]], tuple[str, ...]]] = {
    "states, alarms and rules": (Transports.requests, ()),
    "`GET /v1/live`": (Transports.events, ()),
    "`GET /v1/streams/live`": (Transports.durable, ()),
    "`WS /v1/live/ws`": (Transports.socket, ("handshake", "`subscribe`")),
    "a webhook": (Transports.webhook, tuple(WEBHOOKS)),
    "MQTT": (Transports.mqtt, ()),
}
"""How each is tried, and the steps before its events."""


async def measure_transports(transports: Transports, columns: Sequence[Column]) -> dict[str, str]:
    """Return for each transport and step, or kind of content, one letter a column: `y` got, `-` did not."""
    matrix: dict[str, str] = {}
    for name, (follow, steps) in TRANSPORTS.items():
        outcomes = [await follow(transports, column.credential) for column in columns]
        for step in steps:
            matrix[f"{name}: {step}"] = "".join("y" if step in each.steps else "-" for each in outcomes)
        for kind in KINDS:
            matrix[f"{name}: {kind}"] = "".join("y" if kind in each.kinds else "-" for each in outcomes)
    return matrix
