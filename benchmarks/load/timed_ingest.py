"""Ingest with a clock that is set, for messages of a speed at which a year would take hours.

It is the code of the role behind the MQTT session: intake, records, ticks and publisher. Times of reception
and of records are those at which the messages would have come; only nobody waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ingest.decoders import registry
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.publisher import LogPublisher, new_producer
from ingest.pipeline.records import RecordBuilder
from ingest.pipeline.routes import TopicRoutes
from ingest.settings import IngestSettings
from twin.instant import MINUTE, SECOND, Duration, Instant
from twin.model.city_model import CityModel

SESSION = "benchmark-timed"
TICK_INTERVAL: Duration = SECOND


class TimedIngest:
    """Intake and records, by a clock that `publish` sets."""

    def __init__(self, model: CityModel, start: Instant, partitions: int = 1) -> None:
        settings, decoders = IngestSettings(), registry()
        self._time = self._start = start
        self._partitions = partitions
        self._received = 0
        self._intake = Intake(
            routes=TopicRoutes(decoders, model.feeds),
            devices=DeviceMap(model, decoders, partitions),
            timezone=model.city.timezone,
            options=IntakeOptions.from_settings(settings),
            pseudonymise=Pseudonymiser(settings.pseudonym_key.get_secret_value().encode()),
            session=SESSION,
        )

    async def publish(self, kafka: str, groups: Iterable[tuple[Duration, list[tuple[str, bytes]]]]) -> int:
        """Write groups of messages to the log, each at its time after the start; return their number."""
        producer = new_producer(kafka)
        await producer.start()
        try:
            builder = RecordBuilder(SESSION, lambda: self._time)
            publisher = LogPublisher(producer, builder, self._partitions)
            for due, messages in groups:
                await self._tick_until(self._start + due, publisher)
                self._time = self._start + due
                batch = self._intake.process_batch(self._messages(messages), self._received)
                self._received += len(batch.received)
                await publisher.publish(batch.processed)
            # Ticks of the running system are behind this clock: nothing else ends what waits for a time.
            await self._tick_until(self._time + MINUTE, publisher)
        finally:
            await producer.stop()
        return self._received

    async def _tick_until(self, time: Instant, publisher: LogPublisher) -> None:
        while self._time + TICK_INTERVAL < time:
            self._time += TICK_INTERVAL
            await publisher.publish_ticks()

    def _messages(self, messages: list[tuple[str, bytes]]) -> Iterable[MqttMessage]:
        for number, (topic, payload) in enumerate(messages):
            yield MqttMessage(topic, payload, self._time + number, 1, 1, 1)
