"""The alerting role: one task that owns the desk and the journal; around it those who read, send and tell.

The order is always the same: something happens, the desk decides, the journal has it on disk, and only then
is something done. So a process that dies at any moment has done nothing that it does not know of when it is
back, but for a message that was just being handed over.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.channels import ChannelSender
from alerting.delivery.delivery_pool import DeliveryOptions, DeliveryPool
from alerting.delivery.notification_publisher import publish_notifications
from alerting.delivery.retry_policy import AttemptResult
from alerting.incidents.duty_log_reader import (
    QUEUE_RECORDS_MAX,
    CaughtUp,
    DutyLogEvent,
    DutyLogReader,
    DutyRecord,
    LogStarted,
)
from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.incident_state import IncidentPhase
from alerting.incidents.journal import DutyJournal
from alerting.metrics import AlertingMetrics
from alerting.monitoring.prober import MqttProber
from alerting.monitoring.self_monitor import SelfMonitor, SelfMonitorOptions
from alerting.settings import AlertingSettings
from runtime.clock import Clock, system_clock
from runtime.kafka.topics import ALARMS as ALARM_TOPIC
from runtime.model_source import CityModelSource
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from storage.database import DATABASE_UNAVAILABLE, connect
from storage.stores.alarms import find_incident, read_last_incidents, read_newest_alarms
from twin.alarms.messages import ALARMS, AlarmBatch
from twin.errors import MessageError
from twin.instant import HOUR, SECOND, Instant
from twin.model.city_model import CityModel
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import DUTY_COMMANDS

log = logging.getLogger(__name__)

CHECK_INTERVAL_S_MAX = 1.0
"""The loop looks what is due at least so often: a clock that is set does not make it oversleep."""

BUSY_CHANNEL_WAIT_S = 0.5
"""How long messages wait that found no thread of their channel free, before it is looked again."""

CATCH_UP_S_MAX = 30.0
"""So long what is due waits for the log to be read up to where it was at the start, and no longer: with the
log away, what is known is told."""

STORED_RETRY_S = 10.0
"""While the database is away, it is asked so often what was told on a log that is gone."""

PRUNE_EVERY = HOUR


class AlertingService:
    """The owner of desk and journal."""

    def __init__(
        self,
        settings: AlertingSettings,
        journal: DutyJournal,
        model: CityModel,
        *,
        secrets: ChannelSecrets,
        clock: Clock,
        metrics: AlertingMetrics,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._arrivals: asyncio.Queue[DutyLogEvent] = asyncio.Queue(QUEUE_RECORDS_MAX)
        self._others: deque[AttemptResult | CityModel] = deque()
        self._happened = asyncio.Event()
        self._written = asyncio.Event()
        self._caught_up = False
        self._full = False  # whether messages wait for threads of their channel
        self._unnamed = ""  # the log that is read, until what was told on the one before is known
        self._next_stored = 0.0
        self._next_prune = 0
        self._counted = 0
        self.incident_manager = IncidentManager(journal.read(), model)
        self._channels = ChannelSender(secrets)
        self._post = DeliveryPool(
            self._channels,
            delivery_options(settings),
            self._happen,
        )

        self._lookout = SelfMonitor(
            self_monitor_options(settings),
            self.incident_manager,
            MqttProber(settings.mqtt_access(), settings.city),
            clock=clock,
            metrics=metrics,
        )

    async def run(self, models: CityModelSource) -> None:
        """Work until cancelled."""
        doubtful = self.incident_manager.resolve_doubtful(self._clock())
        if doubtful:
            log.warning(
                "%d messages were being handed over when the process ended: taken for tried", doubtful
            )
            self._metrics.doubtful.inc(doubtful)
        self._write()
        kafka = self._settings.kafka_access()
        reader = DutyLogReader(
            kafka,
            self._settings.partitions,
            self._arrive,
            lambda: self.incident_manager.log,
            self.incident_manager.position,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reader.run(), name="log")
                tasks.create_task(publish_notifications(kafka, self._journal, self._written), name="teller")
                tasks.create_task(self._follow(models), name="model")
                tasks.create_task(self._lookout.run(), name="lookout")
                tasks.create_task(self._work(), name="loop")
        finally:
            await self._post.close()
            self._take_others()
            self._write()
            self._channels.close()

    async def _follow(self, models: CityModelSource) -> None:
        async for model in models.watch():
            self._happen(model)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + CATCH_UP_S_MAX
        while True:
            await self._take_what_is_there()
            if self._unnamed and loop.time() >= self._next_stored:
                await self._take_stored()
            if not self._caught_up and loop.time() >= patience:
                log.warning("the log is not read up to its end; what is known is told")
                self._begin()
            if self._caught_up:
                self._lookout.check()
                self._do_what_is_due()
            self._write()
            self._count()

    def _begin(self) -> None:
        if not self._caught_up:
            self._caught_up = True
            notify_ready()

    async def _arrive(self, arrival: DutyLogEvent) -> None:
        await self._arrivals.put(arrival)
        self._happened.set()

    def _happen(self, other: AttemptResult | CityModel) -> None:
        self._others.append(other)
        self._happened.set()

    async def _take_what_is_there(self) -> None:
        """Wait for something to happen or fall due; take in what has happened."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._happened.wait(), self._pause_s())
        self._happened.clear()
        self._take_others()
        for _ in range(self._arrivals.qsize()):
            await self._take_arrival(self._arrivals.get_nowait())

    def _take_others(self) -> None:
        while self._others:
            self._take_other(self._others.popleft())

    def _pause_s(self) -> float:
        due = self.incident_manager.next_due() if self._caught_up else None
        if due is None:
            return CHECK_INTERVAL_S_MAX
        return min(
            CHECK_INTERVAL_S_MAX,
            max(BUSY_CHANNEL_WAIT_S if self._full else 0.0, (due - self._clock()) / SECOND),
        )

    async def _take_arrival(self, arrival: DutyLogEvent) -> None:
        match arrival:
            case DutyRecord():
                self._take_record(arrival)
            case LogStarted(log_id):
                if log_id != self.incident_manager.log:
                    # What was told on the log before and not read is in the database by now.
                    log.info("the log is another one, %s: its positions begin anew", log_id)
                    self.incident_manager.reset_log()
                    self._unnamed = log_id
                    await self._take_stored()
                    if self._unnamed:
                        log.warning("what was told on another log is not known: the database is away")
            case CaughtUp():
                self._begin()

    def _take_record(self, record: DutyRecord) -> None:
        now = self._clock()
        try:
            if record.place[0] == ALARM_TOPIC:
                batch = ALARMS.decode(record.value)
                self.incident_manager.on_alarm_batch(batch, now)
                self._lookout.on_alarm_batch(record.place[1], batch)
            else:
                for command in DUTY_COMMANDS.decode(record.value).commands:
                    self.incident_manager.on_command(command, now)
        except MessageError as error:
            self._metrics.unreadable.inc()
            log.error("%s/%d offset %d is left out: %s", *record.place, record.offset, error)
        self.incident_manager.advance_position(record.place, record.offset + 1)

    async def _take_stored(self) -> None:
        """Take in what the database knows of alarms; should it be away, this is done again."""
        held = [case.id for case in self.incident_manager.incidents if case.phase is not IncidentPhase.CLOSED]
        database = self._settings.database.get_secret_value()
        batch = await read_stored_incidents(database, held, self._clock())
        self._next_stored = asyncio.get_running_loop().time() + STORED_RETRY_S
        if batch is not None:
            self.incident_manager.on_alarm_batch(batch, self._clock())
            self.incident_manager.set_log(self._unnamed)
            self._unnamed = ""

    def _take_other(self, other: AttemptResult | CityModel) -> None:
        now = self._clock()
        match other:
            case AttemptResult():
                outcome = self.incident_manager.end_attempt(other, now)
                self._metrics.tries.labels(outcome).inc()
                if not other.sent:
                    log.warning("message %s: %s (%s)", other.id, outcome, other.detail)
            case CityModel():
                self.incident_manager.on_model(other, now)
                log.info("works by version %d of the city model", other.version)

    def _do_what_is_due(self) -> None:
        now = self._clock()
        self.incident_manager.advance_to(now)
        if now >= self._next_prune:
            self._next_prune = now + PRUNE_EVERY
            self.incident_manager.prune(now)
        begun = []
        taken = Counter[str]()
        self._full = False
        for message in self.incident_manager.due_messages(now):
            channel = message.send.channel
            if taken[channel] < self._post.free_slots(channel):
                taken[channel] += 1
                begun.append(self.incident_manager.begin_attempt(message, now))
            else:
                self._full = True
        self._write()
        for message in begun:
            self._post.start_attempt(message, self.incident_manager.model.duty, now)

    def _write(self) -> None:
        change = self.incident_manager.take_change()
        if not change.is_empty:
            self._journal.write(change)
            self._written.set()

    def _count(self) -> None:
        phases = Counter(case.phase for case in self.incident_manager.incidents)
        for phase in IncidentPhase:
            if phase is not IncidentPhase.CLOSED:
                self._metrics.incidents.labels(phase.value).set(phases[phase])
        self._metrics.waiting.set(self.incident_manager.pending_messages)
        self._metrics.unreachable.inc(self.incident_manager.unreachable_steps - self._counted)
        self._counted = self.incident_manager.unreachable_steps


@asynccontextmanager
async def open_journal(settings: AlertingSettings) -> AsyncIterator[DutyJournal]:
    """Open the journal of a city's duty loop, and close it."""
    journal = DutyJournal(settings.state_dir / f"alerting-{settings.city}.sqlite")
    try:
        yield journal
    finally:
        journal.close()


async def run(settings: AlertingSettings, models: CityModelSource, environment: Mapping[str, str]) -> None:
    """Run the alerting role until cancelled; secrets of channels come from `environment`."""
    registry = new_registry()
    metrics = AlertingMetrics(registry)
    serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    async with open_journal(settings) as journal:
        metrics.disk_free.set_function(lambda: shutil.disk_usage(settings.state_dir).free)
        model = await models.load()
        alerting = AlertingService(
            settings, journal, model, secrets=ChannelSecrets(environment), clock=system_clock, metrics=metrics
        )
        await alerting.run(models)


# The options of the parts of the role, from its settings.


def delivery_options(settings: AlertingSettings) -> DeliveryOptions:
    """Return how messages are sent."""
    return DeliveryOptions(
        base_url=settings.base_url,
        link_key=settings.link_key.get_secret_value().encode(),
        link_valid=settings.link_hours * HOUR,
        attempt_timeout_s=settings.try_timeout_s,
    )


def self_monitor_options(settings: AlertingSettings) -> SelfMonitorOptions:
    """Return how closely it is watched."""
    url = settings.heartbeat_url
    return SelfMonitorOptions(
        partitions=settings.partitions,
        interval_s=settings.watchdog_interval_s,
        patience=int(settings.watchdog_patience_s * SECOND),
        heartbeat_url=url.get_secret_value() if url is not None else "",
        heartbeat_s=settings.heartbeat_interval_s,
    )


# What the database knows of alarms: asked when another log stands in the place of the one that was read.

DATABASE_READ_S_MAX = 5.0
"""So long the loop waits for the database; it is asked again later."""


async def read_stored_incidents(
    database: str, open_incidents: Iterable[str], now: Instant
) -> AlarmBatch | None:
    """Return the newest events of all alarms, and of incidents that are open, last, or held for open.

    None while the database is away.
    """
    try:
        async with asyncio.timeout(DATABASE_READ_S_MAX), await connect(database, role="alerting") as stored:
            alarms = await read_newest_alarms(stored)
            incidents = {one.incident: one for one in await read_last_incidents(stored)}
            for id in open_incidents:
                # One that was followed by another of its cause and area is neither open nor the last.
                if id not in incidents and (found := await find_incident(stored, id)) is not None:
                    incidents[id] = found
    except (*DATABASE_UNAVAILABLE, TimeoutError) as error:
        log.info("the database does not tell what it knows of alarms: %r", error)
        return None
    return AlarmBatch(LAYOUT_VERSION, now, tuple(alarms), tuple(incidents.values()))
