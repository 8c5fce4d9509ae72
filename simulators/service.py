"""The simulate role: every device of the city speaks over MQTT, by the city's clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from runtime.clock import Clock, system_clock
from runtime.readiness import notify_ready
from simulators.devices import devices_of
from simulators.devices.device import VirtualDevice
from simulators.faults import PlannedFault, random_fault_plan, read_fault_plan
from simulators.mqtt_connection import DeviceConnection
from simulators.report_schedule import ReportSchedule
from simulators.scenarios import build_scenario
from simulators.send_queue import QueuedMessage, SendQueue
from simulators.sent_journal import SentJournal
from simulators.settings import SimulatorSettings
from simulators.truth.city_truth import CityTruth
from twin.errors import ServiceError
from twin.instant import SECOND, Duration, Instant, format_instant
from twin.model.city_model import CityPlan

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 10.0
STOP_TIMEOUT_S = 5.0
# Long enough to cost nothing, short enough that no reading is visibly late.
_NAP_S_MIN, _NAP_S_MAX = 0.01, 0.25
# Messages after which other tasks get their turn, however far the city is behind.
_TURN_MESSAGES = 50


async def run(settings: SimulatorSettings, plan: CityPlan, *, clock: Clock = system_clock) -> None:
    """Let the city speak until cancelled; then wait for acknowledgements and write the journal.

    Raises ServiceError when no sensor of the city can be simulated, FaultPlanError for a bad fault plan.
    """
    start = settings.start_instant(clock())
    scenario = build_scenario(settings.scenario, settings.seed, start)
    truth = CityTruth(settings.seed, plan, scenario.events)
    devices, left_out = devices_of(plan, truth)
    if not devices:
        raise ServiceError(
            f"city {plan.city.id!r} has no sensor that can be simulated; add some to sensors.yaml"
        )
    if left_out:
        log.warning("%d sensors are not simulated: %s", len(left_out), ", ".join(left_out[:5]))
    faults = [*scenario.faults(devices), *_planned_faults(settings, devices, start)]
    outbox = SendQueue(devices, faults, settings.seed)
    log.info("scenario %s; %d devices have faults", settings.scenario or "none", outbox.faulty_device_count)
    connections = [DeviceConnection(settings, number) for number in range(settings.connections)]
    simulation = Simulation(settings, devices, outbox, connections, start=start, clock=clock)
    for connection in connections:
        connection.start()
    try:
        await asyncio.gather(*(connection.connected.wait() for connection in connections))
        await simulation.run()
    finally:
        await asyncio.gather(*(connection.stop(STOP_TIMEOUT_S) for connection in connections))
        log.info("%s", simulation.progress_line())
        if settings.journal is not None:
            simulation.journal.write(settings.journal, unacknowledged=simulation.unacknowledged)


def _planned_faults(
    settings: SimulatorSettings, devices: Sequence[VirtualDevice], start: Instant
) -> list[PlannedFault]:
    faults: list[PlannedFault] = []
    if settings.faults is not None:
        faults += read_fault_plan(settings.faults, start)
    if settings.fault_seed is not None:
        faults += random_fault_plan(settings.fault_seed, [one.sensor.id for one in devices], start=start)
    return faults


class Simulation:
    """The devices of a city, reporting by its clock through a few connections."""

    def __init__(
        self,
        settings: SimulatorSettings,
        devices: Sequence[VirtualDevice],
        outbox: SendQueue,
        connections: Sequence[DeviceConnection],
        *,
        start: Instant,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._devices = devices
        self._outbox = outbox
        self._start = start
        self._reported: set[int] = set()
        self._connections = connections
        self._now = clock
        self._city: CityClock | None = None
        self._pace = SendRateLimit(settings.rate_max)
        self.journal = SentJournal()

    @property
    def unacknowledged(self) -> int:
        """How many messages the broker has not confirmed."""
        return sum(connection.unacknowledged for connection in self._connections)

    @property
    def sent(self) -> int:
        """How many messages were sent."""
        return self.journal.messages

    def progress_line(self) -> str:
        """Return one line that says how far the city is."""
        where = "not started" if self._city is None else f"city time {format_instant(self._city.time)}"
        return f"{where}, {self.sent} messages sent, {self.unacknowledged} not acknowledged"

    async def run(self) -> None:
        """Report, until cancelled. Readiness is told once every device has reported, or should have."""
        loop = asyncio.get_running_loop()
        now = self._now()
        start = self._start
        self._city = city = CityClock(start, self._settings.speed, now)
        schedule = ReportSchedule(self._devices, start, self._settings.speed)
        log.info(
            "%d devices on %d connections, from %s at speed %g",
            len(self._devices),
            len(self._connections),
            format_instant(start),
            self._settings.speed,
        )
        told = loop.time()
        ready = False
        while True:
            await self._report(schedule, city)
            if not ready and len(self._reported) == len(self._devices):
                ready = True
                notify_ready()
            if loop.time() - told >= PROGRESS_EVERY_S:
                told = loop.time()
                log.info("%s", self.progress_line())
            await asyncio.sleep(self._nap(schedule, city))

    async def _report(self, schedule: ReportSchedule, city: CityClock) -> None:
        until = city.tick(self._now())
        for instant, index, device in schedule.take_due(until):
            self._outbox.add_report(instant, index, device)
            self._reported.add(index)
            await self._send(instant)
        await self._send(until)

    async def _send(self, until: Instant) -> None:
        for letter in self._outbox.take_due(until):
            await self._pace.wait()
            await self._publish(letter)
            if self.journal.messages % _TURN_MESSAGES == 0:
                await asyncio.sleep(0)

    async def _publish(self, letter: QueuedMessage) -> None:
        message = letter.message
        connection = self._connections[letter.device % len(self._connections)]
        await connection.publish(message.topic, message.payload)
        self.journal.record(self._devices[letter.device].sensor, letter.arrival, message)

    def _nap(self, schedule: ReportSchedule, city: CityClock) -> float:
        dues = [one for one in (schedule.next_instant(), self._outbox.next_instant()) if one is not None]
        if not dues:
            return _NAP_S_MAX
        return min(_NAP_S_MAX, max(_NAP_S_MIN, city.wait_s(min(dues), self._now())))


class SendRateLimit:
    """Keeps messages at or below a rate; what was not used is not saved up."""

    def __init__(self, rate: float) -> None:
        self._gap_s = 1.0 / rate
        self._next_s = 0.0

    async def wait(self) -> None:
        """Wait until the next message may go."""
        now = asyncio.get_running_loop().time()
        # A short burst is let through, so that a sleep is not needed for each message.
        if self._next_s - now > _NAP_S_MIN:
            await asyncio.sleep(self._next_s - now)
        self._next_s = max(self._next_s, now) + self._gap_s


# The city's clock: runs at a speed until it reaches the present, and waits for who cannot keep up.

STEP_MAX: Duration = SECOND
"""The longest wall time that one tick credits: a longer pause was spent waiting, and the city waited too."""

CATCH_UP_SPEED = 10.0
"""How fast a city that has been in the present goes back there after it had to wait, at the least."""


class CityClock:
    """City time as a function of the ticks of a wall clock."""

    def __init__(self, start: Instant, speed: float, now: Instant) -> None:
        self.time: Instant = min(start, now)
        self._speed = speed
        self._wall = now
        self._present = self.time >= now

    def tick(self, now: Instant) -> Instant:
        """Return the city time at a wall time: never in its future, never backwards."""
        elapsed = min(max(0, now - self._wall), STEP_MAX)
        self._wall = max(self._wall, now)
        speed = max(CATCH_UP_SPEED, self._speed) if self._present else self._speed
        self.time = max(self.time, min(now, self.time + int(elapsed * speed)))
        self._present = self._present or self.time >= now
        return self.time

    def wait_s(self, due: Instant, now: Instant) -> float:
        """Return after how many seconds the city will have reached an instant; 0 when it is due."""
        if self._present:
            return max(0, due - now) / SECOND
        return max(0, due - self.time) / SECOND / self._speed
