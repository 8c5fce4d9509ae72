"""MQTT out: the state of each entity and every alarm that stands, as retained messages."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from api.entities.documents import state_document
from api.live.alarm_events import alarm_data
from api.live.hub import Hub
from api.live.log_follower import LogFollower
from outlets.metrics import OutletMetrics
from outlets.mqtt_connection import (
    MqttConnection,
    MqttConnectionLostError,
    MqttConnectionOptions,
    open_mqtt_connection,
    payload_digest,
)
from outlets.pending_changes import PendingChanges
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.mqtt.outlet_topics import OutletTopics
from twin.alarms.state_machine import AlarmState

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 15.0

# A datastream beside others may age without a change of the value that they combine to.
REFRESH_S = 60.0

# Under load so much is sent at once: both ends wake for each write. An alarm waits for no longer than that.
BATCH_S = 0.1

# Entities and alarms looked at between two breaths of the event loop: 100 us each.
CHECKED_MAX = 100

_encode = msgspec.json.Encoder().encode


class _OutgoingMessage(NamedTuple):
    kind: str
    topic: str
    payload: bytes
    retain: bool


class MqttPublisher:
    """Keeps what the broker retains in step with the live view.

    Only the newest counts: what changes while a message waits, or while the broker is away, is told once, as
    it is then. At each connection the broker is asked what it retains; what is over is cleared, what it lacks
    is sent, what it has is left alone.
    """

    def __init__(
        self,
        options: MqttConnectionOptions,
        *,
        feed: LogFollower,
        hub: Hub,
        changes: PendingChanges,
        clock: Clock,
        metrics: OutletMetrics,
        period_s: float,
        messages_per_s_max: int,
    ) -> None:
        self._options = options
        self._feed = feed
        self._hub = hub
        self._changes = changes
        self._clock = clock
        self._metrics = metrics
        self._period_s = period_s
        self._pause_s = 1 / messages_per_s_max
        self._batch_max = max(1, int(messages_per_s_max * BATCH_S))
        self._retained: dict[str, bytes] = {}  #: digest of what the broker retains, by topic
        self._alarm_queue: deque[str] = deque()  #: to be told before any entity
        self._entity_queue: deque[str] = deque()  #: entities to be told before any is told again
        self._next_round = 0.0  #: when the next round may begin, by the clock of the event loop

    async def run(self) -> None:
        """Work until cancelled; outlives every outage of the broker."""
        backoff = Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
        await self._feed.ready.wait()
        while True:
            try:
                await self._connect_and_publish(backoff)
            except MqttConnectionLostError as error:
                delay_s = backoff.next_s()
                log.warning("%s; trying again in %.1f s", error, delay_s)
                await asyncio.sleep(delay_s)

    async def _connect_and_publish(self, backoff: Backoff) -> None:
        try:
            async with open_mqtt_connection(self._options) as connection:
                log.info("connected to the MQTT broker at %s", self._options.broker.address)
                self._metrics.mqtt_connected.set(1)
                backoff.reset()
                await self._publish_until_lost(connection)
        finally:
            self._metrics.mqtt_connected.set(0)

    async def _publish_until_lost(self, broker: MqttConnection) -> None:
        """Tell what changes until the connection is lost, which raises MqttConnectionLostError."""
        topics = OutletTopics(self._hub.model.city.id)
        self._retained = await broker.retained_digests(topics.filters, topics.marker_topic)
        log.info("the MQTT broker retains %d messages of this city", len(self._retained))
        self._alarm_queue.clear()
        self._entity_queue.clear()
        self._changes.on_reset()
        telling = [
            asyncio.create_task(one)
            for one in (self._publish_changes(broker, topics), self._refresh(), broker.wait_lost())
        ]
        try:
            done, _ = await asyncio.wait(telling, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                raise MqttConnectionLostError(
                    f"lost the MQTT broker at {self._options.broker.address}: {task.result()}"
                )
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            self._changes.on_reset()

    async def _publish_changes(self, broker: MqttConnection, topics: OutletTopics) -> None:
        """Tell alarms as they come, and between them each entity at most once a period."""
        loop = asyncio.get_running_loop()
        outbox = self._changes
        while True:
            if outbox.take_all_changed():
                self._mark_everything_changed(topics)
            now = loop.time()
            portion = self._next_batch(topics, now)
            self._metrics.mqtt_waiting.set(len(outbox) + len(self._alarm_queue) + len(self._entity_queue))
            for one in portion:
                await broker.publish(one.topic, one.payload, retain=one.retain)
                self._metrics.mqtt_messages.labels(one.kind).inc()
            if portion or self._alarm_queue or self._entity_queue:
                await asyncio.sleep(now + len(portion) * self._pause_s - loop.time())
            else:
                await outbox.wait(self._next_round - loop.time() if outbox.has_entities else None)

    def _next_batch(self, topics: OutletTopics, now: float) -> list[_OutgoingMessage]:
        """Return what is to be sent next: of alarms, then of entities, as far as they are not told yet."""
        found: list[_OutgoingMessage] = []
        self._alarm_queue.extend(self._changes.take_alarms())
        for _ in range(CHECKED_MAX):
            if len(found) >= self._batch_max:
                break
            if self._alarm_queue:
                found += self._alarm_messages(topics, self._alarm_queue.popleft())
            elif self._entity_queue:
                found += self._entity_messages(topics, self._entity_queue.popleft())
            elif self._changes.has_entities and now >= self._next_round:
                self._entity_queue.extend(self._changes.take_entities())
                self._next_round = now + self._period_s
            else:
                break
        return found

    def _mark_everything_changed(self, topics: OutletTopics) -> None:
        """Note every name that should be retained, or is."""
        self._changes.on_entities(self._hub.model.entities)
        for event in self._hub.alarms.standing():
            self._changes.on_alarm(event.alarm)
        for topic in self._retained:
            kind, id = topics.parse(topic)
            if kind == "alarm":
                self._changes.on_alarm(id)
            else:
                self._changes.on_entities((id,))

    def _entity_messages(self, topics: OutletTopics, id: str) -> Iterator[_OutgoingMessage]:
        topic, view = topics.entity_topic(id), self._hub.view
        entity = view.model.entities.get(id)
        if entity is None:
            yield from self._retained_message("state", topic, b"")
        elif view.entity(id) is not None:
            state = state_document(entity, view, self._clock(), "anonymous")
            yield from self._retained_message("state", topic, _encode(state))

    def _alarm_messages(self, topics: OutletTopics, id: str) -> Iterator[_OutgoingMessage]:
        topic, event = topics.alarm_topic(id), self._hub.alarms.alarm(id)
        if event is None and not self._feed.seeded_from_database:
            return  # It may stand, for all that is known without the database.
        payload = alarm_data(event, self._hub.model) if event is not None else None
        if event is not None and payload is not None and event.state != AlarmState.NORMAL:
            yield from self._retained_message("alarm", topic, payload)
            return
        if payload is not None and topic in self._retained:
            # Who listens is told how it ended; then nothing is retained any more.
            yield _OutgoingMessage("alarm", topic, payload, retain=False)
        yield from self._retained_message("alarm", topic, b"")

    def _retained_message(self, kind: str, topic: str, payload: bytes) -> Iterator[_OutgoingMessage]:
        """Yield what makes the broker retain a payload, nothing where it is empty, unless it does already."""
        known = payload_digest(payload) if payload else None
        if self._retained.get(topic) == known:
            return
        yield _OutgoingMessage(kind, topic, payload, retain=True)
        if known is None:
            self._retained.pop(topic, None)
        else:
            self._retained[topic] = known
