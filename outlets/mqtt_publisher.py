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
from api.live.log_follower import Feed
from outlets.metrics import OutletMetrics
from outlets.mqtt_connection import Broker, BrokerLostError, BrokerOptions, connected, digest
from outlets.pending_changes import Outbox
from runtime.clock import Clock
from runtime.mqtt.outlet_topics import Topics
from twin.alarms.state_machine import AlarmState

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 15.0

# A datastream beside others may age without a change of the value that they combine to.
REFRESH_S = 60.0

# Under load so much is sent at once: both ends wake for each write. An alarm waits for no longer than that.
PORTION_S = 0.1

# Entities and alarms looked at between two breaths of the event loop: 100 us each.
LOOKS_MAX = 100

_encode = msgspec.json.Encoder().encode


class _Message(NamedTuple):
    kind: str
    topic: str
    payload: bytes
    retain: bool


class MqttOut:
    """Keeps what the broker retains in step with the live view.

    Only the newest counts: what changes while a message waits, or while the broker is away, is told once, as
    it is then. At each connection the broker is asked what it retains; what is over is cleared, what it lacks
    is sent, what it has is left alone.
    """

    def __init__(
        self,
        options: BrokerOptions,
        *,
        feed: Feed,
        hub: Hub,
        outbox: Outbox,
        clock: Clock,
        metrics: OutletMetrics,
        period_s: float,
        messages_per_s_max: int,
    ) -> None:
        self._options = options
        self._feed = feed
        self._hub = hub
        self._outbox = outbox
        self._clock = clock
        self._metrics = metrics
        self._period_s = period_s
        self._pause_s = 1 / messages_per_s_max
        self._portion_max = max(1, int(messages_per_s_max * PORTION_S))
        self._held: dict[str, bytes] = {}  #: digest of what the broker retains, by topic
        self._alarms: deque[str] = deque()  #: to be told before any entity
        self._round: deque[str] = deque()  #: entities to be told before any is told again
        self._due = 0.0  #: when the next round may begin, by the clock of the event loop

    async def run(self) -> None:
        """Work until cancelled; outlives every outage of the broker."""
        pause = RETRY_FIRST_S
        await self._feed.ready.wait()
        while True:
            try:
                async with connected(self._options) as broker:
                    log.info("connected to the MQTT broker at %s", self._options.broker.place)
                    self._metrics.mqtt_connected.set(1)
                    pause = RETRY_FIRST_S
                    await self._serve(broker)
            except BrokerLostError as error:
                log.warning("%s; trying again in %.1f s", error, pause)
            finally:
                self._metrics.mqtt_connected.set(0)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MAX_S)

    async def _serve(self, broker: Broker) -> None:
        """Tell what changes until the connection is lost, which raises BrokerLostError."""
        topics = Topics(self._hub.model.city.id)
        self._held = await broker.retained(topics.filters, topics.marker)
        log.info("the MQTT broker retains %d messages of this city", len(self._held))
        self._alarms.clear()
        self._round.clear()
        self._outbox.everything()
        telling = [
            asyncio.create_task(one)
            for one in (self._tell(broker, topics), self._refresh(), broker.until_lost())
        ]
        try:
            done, _ = await asyncio.wait(telling, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                raise BrokerLostError(
                    f"lost the MQTT broker at {self._options.broker.place}: {task.result()}"
                )
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            self._outbox.everything()

    async def _tell(self, broker: Broker, topics: Topics) -> None:
        """Tell alarms as they come, and between them each entity at most once a period."""
        loop = asyncio.get_running_loop()
        outbox = self._outbox
        while True:
            if outbox.take_everything():
                self._look_at_everything(topics)
            now = loop.time()
            portion = self._portion(topics, now)
            self._metrics.mqtt_waiting.set(len(outbox) + len(self._alarms) + len(self._round))
            for one in portion:
                await broker.publish(one.topic, one.payload, retain=one.retain)
                self._metrics.mqtt_messages.labels(one.kind).inc()
            if portion or self._alarms or self._round:
                await asyncio.sleep(now + len(portion) * self._pause_s - loop.time())
            else:
                await outbox.wait(self._due - loop.time() if outbox.entities_wait else None)

    def _portion(self, topics: Topics, now: float) -> list[_Message]:
        """Return what is to be sent next: of alarms, then of entities, as far as they are not told yet."""
        found: list[_Message] = []
        self._alarms.extend(self._outbox.take_alarms())
        for _ in range(LOOKS_MAX):
            if len(found) >= self._portion_max:
                break
            if self._alarms:
                found += self._of_alarm(topics, self._alarms.popleft())
            elif self._round:
                found += self._of_entity(topics, self._round.popleft())
            elif self._outbox.entities_wait and now >= self._due:
                self._round.extend(self._outbox.take_entities())
                self._due = now + self._period_s
            else:
                break
        return found

    def _look_at_everything(self, topics: Topics) -> None:
        """Note every name that should be retained, or is."""
        self._outbox.entities(self._hub.model.entities)
        for event in self._hub.alarms.standing():
            self._outbox.alarm(event.alarm)
        for topic in self._held:
            kind, id = topics.names(topic)
            if kind == "alarm":
                self._outbox.alarm(id)
            else:
                self._outbox.entities((id,))

    def _of_entity(self, topics: Topics, id: str) -> Iterator[_Message]:
        topic, view = topics.of_entity(id), self._hub.view
        entity = view.model.entities.get(id)
        if entity is None:
            yield from self._retain("state", topic, b"")
        elif view.entity(id) is not None:
            state = state_document(entity, view, self._clock(), "anonymous")
            yield from self._retain("state", topic, _encode(state))

    def _of_alarm(self, topics: Topics, id: str) -> Iterator[_Message]:
        topic, event = topics.of_alarm(id), self._hub.alarms.alarm(id)
        if event is None and not self._feed.whole:
            return  # It may stand, for all that is known without the database.
        payload = alarm_data(event, self._hub.model) if event is not None else None
        if event is not None and payload is not None and event.state != AlarmState.NORMAL:
            yield from self._retain("alarm", topic, payload)
            return
        if payload is not None and topic in self._held:
            # Who listens is told how it ended; then nothing is retained any more.
            yield _Message("alarm", topic, payload, retain=False)
        yield from self._retain("alarm", topic, b"")

    def _retain(self, kind: str, topic: str, payload: bytes) -> Iterator[_Message]:
        """Yield what makes the broker retain a payload, nothing where it is empty, unless it does already."""
        known = digest(payload) if payload else None
        if self._held.get(topic) == known:
            return
        yield _Message(kind, topic, payload, retain=True)
        if known is None:
            self._held.pop(topic, None)
        else:
            self._held[topic] = known
