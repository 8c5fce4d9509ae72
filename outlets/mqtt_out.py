"""MQTT out: the state of each entity and every alarm that stands, as retained messages."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import msgspec

from api.alarm_events import alarm_data
from api.documents import state_document
from api.feed import Feed
from api.hub import Hub
from outlets.broker import Broker, BrokerLostError, BrokerOptions, connected, digest
from outlets.metrics import OutletMetrics
from outlets.outbox import Outbox
from runtime.clock import Clock
from runtime.outlet_topics import Topics
from twin.alarms.state_machine import AlarmState

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 15.0

# A datastream beside others may age without a change of the value that they combine to.
REFRESH_S = 60.0

_encode = msgspec.json.Encoder().encode


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
        self._held: dict[str, bytes] = {}  #: digest of what the broker retains, by topic
        self._round: deque[str] = deque()  #: entities to be told before any is told again
        self._due = 0.0  #: when the next round may begin, by the clock of the event loop
        self._next = 0.0  #: when the next message may be sent

    async def run(self) -> None:
        """Work until cancelled; outlives every outage of the broker."""
        pause = RETRY_FIRST_S
        await self._feed.ready.wait()
        while True:
            try:
                async with connected(self._options) as broker:
                    log.info("connected to the MQTT broker at %s", self._options.place)
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
        self._round.clear()
        self._outbox.everything()
        telling = [
            asyncio.create_task(one)
            for one in (self._tell(broker, topics), self._refresh(), broker.until_lost())
        ]
        try:
            done, _ = await asyncio.wait(telling, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                raise BrokerLostError(f"lost the MQTT broker at {self._options.place}: {task.result()}")
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
            for id in outbox.take_alarms():
                await self._tell_alarm(broker, topics.of_alarm(id), id)
            self._metrics.mqtt_waiting.set(len(outbox) + len(self._round))
            if self._round:
                id = self._round.popleft()
                await self._tell_entity(broker, topics.of_entity(id), id)
            elif outbox.entities_wait and loop.time() >= self._due:
                self._round.extend(outbox.take_entities())
                self._due = loop.time() + self._period_s
            else:
                await outbox.wait(self._due - loop.time() if outbox.entities_wait else None)

    def _look_at_everything(self, topics: Topics) -> None:
        """Note every name that should be retained, or is."""
        for id in self._hub.model.entities:
            self._outbox.entity(id)
        for event in self._hub.alarms.standing():
            self._outbox.alarm(event.alarm)
        for topic in self._held:
            kind, id = topics.names(topic)
            if kind == "alarm":
                self._outbox.alarm(id)
            else:
                self._outbox.entity(id)

    async def _tell_entity(self, broker: Broker, topic: str, id: str) -> None:
        view = self._hub.view
        entity = view.model.entities.get(id)
        if entity is None:
            await self._retain(broker, "state", topic, b"")
        elif view.entity(id) is not None:
            state = state_document(entity, view, self._clock(), "anonymous")
            await self._retain(broker, "state", topic, _encode(state))

    async def _tell_alarm(self, broker: Broker, topic: str, id: str) -> None:
        event = self._hub.alarms.alarm(id)
        if event is None and not self._feed.whole:
            return  # It may stand, for all that is known without the database.
        payload = alarm_data(event, self._hub.model) if event is not None else None
        if event is not None and payload is not None and event.state != AlarmState.NORMAL:
            await self._retain(broker, "alarm", topic, payload)
            return
        if payload is not None and topic in self._held:
            # Who listens is told how it ended; then nothing is retained any more.
            await self._send(broker, "alarm", topic, payload, retain=False)
        await self._retain(broker, "alarm", topic, b"")

    async def _retain(self, broker: Broker, kind: str, topic: str, payload: bytes) -> None:
        """Make the broker retain a payload, or nothing when it is empty, unless it does already."""
        known = digest(payload) if payload else None
        if self._held.get(topic) == known:
            return
        await self._send(broker, kind, topic, payload, retain=True)
        if known is None:
            self._held.pop(topic, None)
        else:
            self._held[topic] = known

    async def _send(self, broker: Broker, kind: str, topic: str, payload: bytes, *, retain: bool) -> None:
        loop = asyncio.get_running_loop()
        self._next = max(self._next, loop.time())
        if self._next > loop.time():
            await asyncio.sleep(self._next - loop.time())
        self._next += self._pause_s
        await broker.publish(topic, payload, retain=retain)
        self._metrics.mqtt_messages.labels(kind).inc()
