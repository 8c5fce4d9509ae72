"""A day of Alkmaar in virtual time: virtual devices, the real intake, and all stages on a log in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cities import default_city
from cities.folder_reader import read_city
from ingest.decoders import registry
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import Intake, IntakeOptions, ProcessedMessage
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.routes import TopicRoutes
from simulators.devices import devices_of
from simulators.report_schedule import ReportSchedule
from simulators.scenarios import build_scenario
from simulators.send_queue import SendQueue
from simulators.truth.city_truth import CityTruth
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.instant import SECOND, Duration, Instant
from twin.model.sensor import Sensor
from twin.quality.plausibility import PlausibilityBounds

STEP: Duration = 2 * SECOND

_OPTIONS = IntakeOptions(
    payload_bytes_max=65_536, quarantine_bytes_max=256, plausibility=PlausibilityBounds(), keep_payloads=True
)


class ScenarioDay:
    """One scenario of `simulators.scenarios` with a seed; only the chosen sensors send.

    With `stages`, they process the messages, and their model counts.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        start: Instant,
        chosen: Callable[[Sensor], bool],
        stages: StagePipeline | None = None,
    ) -> None:
        plan = read_city(default_city())
        self.stages = stages if stages is not None else StagePipeline(plan.model(1))
        self.model = self.stages.model
        scenario = build_scenario(name, seed, start)
        devices, _ = devices_of(plan, CityTruth(seed, plan, scenario.events))
        speaking = [one for one in devices if chosen(one.sensor)]
        self._schedule = ReportSchedule(speaking, start, 1.0)
        self._outbox = SendQueue(speaking, scenario.faults(speaking), seed)
        decoders = registry()
        self._intake = Intake(
            routes=TopicRoutes(decoders, self.model.feeds),
            devices=DeviceMap(self.model, decoders, self.stages.partitions),
            timezone=self.model.city.timezone,
            options=_OPTIONS,
            pseudonymise=lambda text: text,  # type: ignore[arg-type]
        )
        self.now = start

    def advance(self, end: Instant, step: Duration = STEP) -> Iterator[Instant]:
        """Advance to `end`; yield the time after each step, when all messages of the step are processed."""
        while self.now < end:
            self.now += step
            received = self._arrived()
            if received:
                self.stages.receive(received, self.now - 1)
            self.stages.advance(self.now, step)  # also on partitions without messages
            yield self.now

    def _arrived(self) -> list[ProcessedMessage]:
        for instant, number, device in self._schedule.take_due(self.now):
            self._outbox.add_report(instant, number, device)
        found: list[ProcessedMessage] = []
        for letter in self._outbox.take_due(self.now):
            message = letter.message
            received = MqttMessage(message.topic, message.payload, letter.arrival, 1, 0, 0)
            processed = self._intake.process(received, len(found))
            if processed.observations:
                found.append(processed)
        return found
