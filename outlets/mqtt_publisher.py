"""MQTT out: publishes the state of each entity and each standing alarm as retained messages."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from api.access.rights import PUBLIC
from api.entities.documents import state_model
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

REFRESH_S = 60.0
"""Period of comparing everything: a datastream may age without changing the combined value."""

BATCH_S = 0.1
"""Messages of this time are sent together under load: each write wakes both ends. Alarms wait no longer."""

CHECKED_MAX = 100
"""Entities and alarms checked in one step of the event loop, at 100 us each."""

_encode = msgspec.json.Encoder().encode


class MqttPublication(NamedTuple):
    """A message to publish."""

    kind: str
    topic: str
    payload: bytes
    retain: bool


class MqttPublisher:
    """Keeps the broker's retained messages equal to the live view.

    Only the newest state is sent: changes while a message waits, or while the broker is unreachable, are
    published once. After each connection the retained messages are compared: outdated ones are cleared,
    missing ones are sent, equal ones are left.
    """

    def __init__(
        self,
        options: MqttConnectionOptions,
        *,
        follower: LogFollower,
        hub: Hub,
        changes: PendingChanges,
        clock: Clock,
        metrics: OutletMetrics,
        period_s: float,
        messages_per_s_max: int,
    ) -> None:
        self._options = options
        self._follower = follower
        self._hub = hub
        self._changes = changes
        self._clock = clock
        self._metrics = metrics
        self._period_s = period_s
        self._pause_s = 1 / messages_per_s_max
        self._batch_max = max(1, int(messages_per_s_max * BATCH_S))
        self._retained: dict[str, bytes] = {}  #: digest of each retained message, by topic
        self._alarm_queue: deque[str] = deque()  #: published before any entity
        self._entity_queue: deque[str] = deque()  #: entities of this round; each is published once in it
        self._next_round = 0.0  #: earliest start of the next round, event loop time

    async def run(self) -> None:
        """Publish until cancelled; reconnect after every outage of the broker."""
        backoff = Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
        await self._follower.ready.wait()
        while True:
            try:
                await self._connect_and_publish(backoff)
            except MqttConnectionLostError as error:
                delay_s = backoff.next_s()
                log.warning(
                    "%s; retrying in %.1f s", error, delay_s, extra={"event": "outlets.mqtt_disconnected"}
                )
                await asyncio.sleep(delay_s)

    async def _connect_and_publish(self, backoff: Backoff) -> None:
        try:
            async with open_mqtt_connection(self._options) as connection:
                log.info(
                    "connected to the MQTT broker at %s",
                    self._options.broker.address,
                    extra={"event": "outlets.mqtt_connected"},
                )
                self._metrics.mqtt_connected.set(1)
                backoff.reset()
                await self._publish_until_lost(connection)
        finally:
            self._metrics.mqtt_connected.set(0)

    async def _publish_until_lost(self, connection: MqttConnection) -> None:
        """Publish changes until the connection is lost, which raises MqttConnectionLostError."""
        topics = OutletTopics(self._hub.model.city.id)
        self._retained = await connection.retained_digests(topics.filters, topics.marker_topic)
        log.info(
            "the MQTT broker retains %d messages of this city",
            len(self._retained),
            extra={"event": "outlets.mqtt_compared", "retained": len(self._retained)},
        )
        self._alarm_queue.clear()
        self._entity_queue.clear()
        self._changes.on_reset()
        tasks = [
            asyncio.create_task(work)
            for work in (self._publish_changes(connection, topics), self._refresh(), connection.wait_lost())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                raise MqttConnectionLostError(
                    f"lost the MQTT broker at {self._options.broker.address}: {task.result()}"
                )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            self._changes.on_reset()

    async def _publish_changes(self, connection: MqttConnection, topics: OutletTopics) -> None:
        """Publish alarms at once, and between them each entity at most once a period."""
        loop = asyncio.get_running_loop()
        changes = self._changes
        while True:
            if changes.take_all_changed():
                self._mark_everything_changed(topics)
            now = loop.time()
            batch = self._next_batch(topics, now)
            self._metrics.mqtt_waiting.set(len(changes) + len(self._alarm_queue) + len(self._entity_queue))
            for message in batch:
                await connection.publish(message.topic, message.payload, retain=message.retain)
                self._metrics.mqtt_messages.labels(message.kind).inc()
            if batch or self._alarm_queue or self._entity_queue:
                await asyncio.sleep(now + len(batch) * self._pause_s - loop.time())
            else:
                await changes.wait(self._next_round - loop.time() if changes.has_entities else None)

    def _next_batch(self, topics: OutletTopics, now: float) -> list[MqttPublication]:
        """Return the next messages: first of alarms, then of entities whose retained message is outdated."""
        batch: list[MqttPublication] = []
        self._alarm_queue.extend(self._changes.take_alarms())
        for _ in range(CHECKED_MAX):
            if len(batch) >= self._batch_max:
                break
            if self._alarm_queue:
                batch += self.alarm_messages(topics, self._alarm_queue.popleft())
            elif self._entity_queue:
                batch += self.entity_messages(topics, self._entity_queue.popleft())
            elif self._changes.has_entities and now >= self._next_round:
                self._entity_queue.extend(self._changes.take_entities())
                self._next_round = now + self._period_s
            else:
                break
        return batch

    def _mark_everything_changed(self, topics: OutletTopics) -> None:
        """Queue all entities, all standing alarms, and everything that the broker retains."""
        self._changes.on_entities(self._hub.model.entities)
        for event in self._hub.alarms.standing():
            self._changes.on_alarm(event.alarm)
        for topic in self._retained:
            kind, id = topics.parse(topic)
            if kind == "alarm":
                self._changes.on_alarm(id)
            else:
                self._changes.on_entities((id,))

    def entity_messages(self, topics: OutletTopics, id: str) -> Iterator[MqttPublication]:
        """Yield the messages that make the broker retain the state of an entity, as everybody may read it."""
        topic, view = topics.entity_topic(id), self._hub.view
        entity = view.model.entities.get(id)
        if entity is None:
            yield from self._retained_message("state", topic, b"")
        elif view.entity(id) is not None:
            state = state_model(entity, view, self._clock(), PUBLIC)
            yield from self._retained_message("state", topic, _encode(state))

    def alarm_messages(self, topics: OutletTopics, id: str) -> Iterator[MqttPublication]:
        """Yield the messages that make the broker retain an alarm while it stands."""
        topic, event = topics.alarm_topic(id), self._hub.alarms.alarm(id)
        if event is None and not self._follower.seeded_from_database:
            return  # The alarm may stand: the view was not seeded from the database yet.
        payload = alarm_data(event, self._hub.model) if event is not None else None
        if event is not None and payload is not None and event.state != AlarmState.NORMAL:
            yield from self._retained_message("alarm", topic, payload)
            return
        if payload is not None and topic in self._retained:
            # Subscribers get the end of the alarm; then its retained message is cleared.
            yield MqttPublication("alarm", topic, payload, retain=False)
        yield from self._retained_message("alarm", topic, b"")

    def _retained_message(self, kind: str, topic: str, payload: bytes) -> Iterator[MqttPublication]:
        """Yield the message that sets a retained payload, unless it is set; an empty one clears the topic."""
        digest = payload_digest(payload) if payload else None
        if self._retained.get(topic) == digest:
            return
        yield MqttPublication(kind, topic, payload, retain=True)
        if digest is None:
            self._retained.pop(topic, None)
        else:
            self._retained[topic] = digest
