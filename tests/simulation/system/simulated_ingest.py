"""Ingest in virtual time: the real intake and record maker between messages and the log.

Delivery is at least once, as with MQTT's QoS 1: a batch is acknowledged when all of it is on the log. After a
crash the same messages are delivered again, to another session.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ingest.decoders import registry
from ingest.mqtt.message import MqttMessage, ReceptionTimes
from ingest.pipeline.intake import Intake, IntakeOptions, ProcessedMessage
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.records import OutgoingRecord, RecordBuilder
from ingest.pipeline.routes import TopicRoutes
from runtime.kafka.topics import OBSERVATIONS, QUARANTINE
from tests.simulation.city.device_messages import DeviceMessage
from tests.simulation.scenario import Scenario
from tests.simulation.system.simulated_log import SimulatedLog
from twin.instant import MINUTE, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.plausibility import PlausibilityBounds
from twin.wire.messages import QUARANTINE as QUARANTINED

_OPTIONS = IntakeOptions(
    payload_bytes_max=4_096, quarantine_bytes_max=256, plausibility=PlausibilityBounds(), keep_payloads=False
)


class SimulatedIngest:
    """Writes records of messages, and ticks, to the log."""

    def __init__(self, scenario: Scenario, model: CityModel, partitions: int) -> None:
        self._dice: Random = scenario.dice("ingest")
        self._crashing = scenario.redelivery
        self._routes = TopicRoutes(registry(), model.feeds)
        self._devices = DeviceMap(model, registry(), partitions)
        self._timezone = model.city.timezone
        self._partitions = partitions
        self.now: Instant = 0
        self._sessions = 0
        self._ticked: Instant = 0
        self.logged: list[Observation] = []  #: all observations on the log, with duplicates
        self.received: set[tuple[str, int]] = set()  #: session and number of each message on the log
        self._begin()

    def _begin(self) -> None:
        self._sessions += 1
        self._session = f"run-{self._sessions}"
        self._sequence = 0
        self._intake = Intake(
            routes=self._routes,
            devices=self._devices,
            timezone=self._timezone,
            options=_OPTIONS,
            pseudonymise=lambda text: text,  # type: ignore[arg-type]
            session=self._session,
        )
        self._reception_times = ReceptionTimes()
        self._maker = RecordBuilder(self._session, lambda: self.now)

    def restart(self, pause: Duration) -> None:
        """Stop when all messages are acknowledged, and begin another session after a pause."""
        self.now += pause
        self._begin()

    def deliver(self, messages: Sequence[DeviceMessage], log: SimulatedLog) -> None:
        """Write a batch to the log; sometimes crash before the acknowledgement, and process it again."""
        received = [max(self.now, one.arrival) for one in messages]
        while not self._written(messages, received, log):
            self._begin()
            self.now += self._dice.randrange(SECOND, 20 * MINUTE)
            received = [self.now] * len(messages)

    def _written(
        self, messages: Sequence[DeviceMessage], received: Sequence[Instant], log: SimulatedLog
    ) -> bool:
        """Write a batch, or a part of it; return whether it was acknowledged."""
        batch = []
        for message, reached in zip(messages, received, strict=True):
            self.now = max(self.now, reached)
            time = self._reception_times.first_of(1, reached)
            taken = self._intake.process(
                MqttMessage(message.topic, message.payload, time, 1, 0, 0), self._sequence
            )
            batch.append(taken)
            self._sequence += 1
        records = list(self._maker.records(batch))
        fate = self._dice.random() if self._crashing else 1.0
        whole = len(records) if fate >= 0.02 else self._dice.randrange(len(records) + 1)
        for record in records[:whole]:
            log.append(*record)
        self._note(batch, records[:whole])
        if 0.95 <= fate < 1.0:  # the confirmation is lost, and the publisher writes the batch again
            for record in records:
                log.append(*record)
            self._note(batch, records)
        return fate >= 0.04

    def _note(self, batch: Sequence[ProcessedMessage], records: Sequence[OutgoingRecord]) -> None:
        """Record which messages of a batch are on the log, by the records that were written."""
        partitions = {one.partition for one in records if one.topic == OBSERVATIONS}
        for taken in batch:
            if taken.header is not None and taken.partition in partitions:
                self.logged += taken.observations
                self.received.add((self._session, taken.header.sequence))
        for record in records:
            if record.topic == QUARANTINE:
                refused = QUARANTINED.decode(record.value)
                if not refused.observations:
                    self.received.add((self._session, refused.sequence))

    def tick(self, log: SimulatedLog, pause: int) -> None:
        """Write a tick to every partition when the last tick is older than a pause."""
        if self.now - self._ticked >= pause:
            self._ticked = self.now
            for partition in range(self._partitions):
                log.append(*self._maker.tick_record(partition))
