"""The simulate role: publish the messages of all virtual devices over MQTT, by the clock of the city."""

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

CLOCK_STEP_MAX: Duration = SECOND
"""The longest wall time that one tick adds: in a longer pause the simulation waited, and its clock, too."""

CATCH_UP_SPEED = 10.0
"""The lowest speed at which a city returns to the present after a pause."""

# Long enough to cost little processor time, short enough that no reading is noticeably late.
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.01, 0.25
# The simulation yields to other tasks after this many messages, even if it is behind.
_MESSAGES_PER_TURN = 50


async def run(settings: SimulatorSettings, plan: CityPlan, *, clock: Clock = system_clock) -> None:
    """Simulate a city until cancelled; then wait for acknowledgements and write the journal.

    Raises ServiceError when no sensor of the city can be simulated, FaultPlanError for a wrong fault plan.
    """
    start = settings.start_instant(clock())
    scenario = build_scenario(settings.scenario, settings.seed, start)
    truth = CityTruth(settings.seed, plan, scenario.events)
    devices, skipped = devices_of(plan, truth)
    if not devices:
        raise ServiceError(
            f"city {plan.city.id!r} has no sensor that can be simulated; add some to sensors.yaml"
        )
    if skipped:
        log.warning(
            "%d sensors are not simulated: %s",
            len(skipped),
            ", ".join(skipped[:5]),
            extra={"event": "simulate.sensors_skipped", "sensors": skipped[:5]},
        )
    faults = [*scenario.faults(devices), *_planned_faults(settings, devices, start)]
    queue = SendQueue(devices, faults, settings.seed)
    log.info(
        "scenario %s; %d devices have faults",
        settings.scenario or "none",
        queue.faulty_device_count,
        extra={"event": "simulate.configured"},
    )
    connections = [DeviceConnection(settings, number) for number in range(settings.connections)]
    simulation = Simulation(settings, devices, queue, connections, start=start, clock=clock)
    for connection in connections:
        connection.start()
    try:
        await asyncio.gather(*(connection.connected.wait() for connection in connections))
        await simulation.run()
    finally:
        await asyncio.gather(*(connection.stop(STOP_TIMEOUT_S) for connection in connections))
        simulation.log_progress()
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
    """Sends the reports of all devices of a city, by its clock, over a few connections."""

    def __init__(
        self,
        settings: SimulatorSettings,
        devices: Sequence[VirtualDevice],
        queue: SendQueue,
        connections: Sequence[DeviceConnection],
        *,
        start: Instant,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._devices = devices
        self._queue = queue
        self._start = start
        self._reported: set[int] = set()
        self._connections = connections
        self._clock = clock
        self._city_clock: CityClock | None = None
        self._rate_limit = SendRateLimit(settings.rate_max)
        self.journal = SentJournal()

    @property
    def unacknowledged(self) -> int:
        """The number of messages that the broker has not acknowledged."""
        return sum(connection.unacknowledged for connection in self._connections)

    @property
    def sent(self) -> int:
        """The number of messages sent."""
        return self.journal.messages

    def log_progress(self) -> None:
        """Log the city time and the number of messages."""
        city_time = None if self._city_clock is None else format_instant(self._city_clock.time)
        log.info(
            "city time %s, %d messages sent, %d not acknowledged",
            city_time or "not started",
            self.sent,
            self.unacknowledged,
            extra={"event": "simulate.progress"},
        )

    async def run(self) -> None:
        """Send reports until cancelled; notify readiness once every device has reported, or should have."""
        loop = asyncio.get_running_loop()
        start = self._start
        self._city_clock = city_clock = CityClock(start, self._settings.speed, self._clock())
        schedule = ReportSchedule(self._devices, start, self._settings.speed)
        log.info(
            "%d devices on %d connections, from %s at speed %g",
            len(self._devices),
            len(self._connections),
            format_instant(start),
            self._settings.speed,
            extra={"event": "simulate.started"},
        )
        logged_s = loop.time()
        ready = False
        while True:
            await self._send_due(schedule, city_clock)
            if not ready and len(self._reported) == len(self._devices):
                ready = True
                notify_ready()
            if loop.time() - logged_s >= PROGRESS_EVERY_S:
                logged_s = loop.time()
                self.log_progress()
            await asyncio.sleep(self._pause_s(schedule, city_clock))

    async def _send_due(self, schedule: ReportSchedule, city_clock: CityClock) -> None:
        until = city_clock.tick(self._clock())
        for instant, index, device in schedule.take_due(until):
            self._queue.add_report(instant, index, device)
            self._reported.add(index)
            await self._send(instant)
        await self._send(until)

    async def _send(self, until: Instant) -> None:
        for message in self._queue.take_due(until):
            await self._rate_limit.wait()
            await self._publish(message)
            if self.journal.messages % _MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _publish(self, queued: QueuedMessage) -> None:
        message = queued.message
        connection = self._connections[queued.device % len(self._connections)]
        await connection.publish(message.topic, message.payload)
        self.journal.record(self._devices[queued.device].sensor, queued.arrival, message)

    def _pause_s(self, schedule: ReportSchedule, city_clock: CityClock) -> float:
        due = [one for one in (schedule.next_instant(), self._queue.next_instant()) if one is not None]
        if not due:
            return _PAUSE_S_MAX
        return min(_PAUSE_S_MAX, max(_PAUSE_S_MIN, city_clock.wait_s(min(due), self._clock())))


class SendRateLimit:
    """Limits the rate of messages per second; unused capacity does not accumulate."""

    def __init__(self, rate: float) -> None:
        self._interval_s = 1.0 / rate
        self._next_s = 0.0

    async def wait(self) -> None:
        """Wait until the next message may be sent."""
        now = asyncio.get_running_loop().time()
        # A short burst is allowed, which saves a sleep for each message.
        if self._next_s - now > _PAUSE_S_MIN:
            await asyncio.sleep(self._next_s - now)
        self._next_s = max(self._next_s, now) + self._interval_s


class CityClock:
    """The clock of the city: runs at a speed until it reaches the present, and pauses with the simulation."""

    def __init__(self, start: Instant, speed: float, now: Instant) -> None:
        self.time: Instant = min(start, now)
        self._speed = speed
        self._wall_time = now
        self._reached_present = self.time >= now

    def tick(self, now: Instant) -> Instant:
        """Return the city time at a wall time; it is never later than that, and never runs backwards."""
        elapsed = min(max(0, now - self._wall_time), CLOCK_STEP_MAX)
        self._wall_time = max(self._wall_time, now)
        speed = max(CATCH_UP_SPEED, self._speed) if self._reached_present else self._speed
        self.time = max(self.time, min(now, self.time + int(elapsed * speed)))
        self._reached_present = self._reached_present or self.time >= now
        return self.time

    def wait_s(self, due: Instant, now: Instant) -> float:
        """Return the seconds until the city reaches an instant; 0 if it has."""
        if self._reached_present:
            return max(0, due - now) / SECOND
        return max(0, due - self.time) / SECOND / self._speed
