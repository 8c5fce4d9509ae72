"""The alerting role as a process: one task owns incidents and journal; others read, send and publish.

The order is always the same: an input arrives, the incident manager decides, the journal writes the change to
disk, and only then the process acts. So a process that dies at any moment continues where it was. Only of a
message that was just being sent it does not know whether it arrived.
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
from alerting.delivery.delivery_pool import DeliveryOptions, DeliveryPool, SendPermit
from alerting.delivery.gone_subscriptions import GoneSubscriptions
from alerting.delivery.message_file import MessageFile
from alerting.delivery.notification_publisher import publish_notifications
from alerting.delivery.push_channel import PushOptions
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
from alerting.incidents.journal import DutyJournal, Journal
from alerting.messages.outgoing_message import AttemptResult
from alerting.metrics import AlertingMetrics
from alerting.monitoring.prober import MqttProber
from alerting.monitoring.self_monitor import SelfMonitor, SelfMonitorOptions
from alerting.rosters.roster_follower import RosterFollower, RosterOptions
from alerting.settings import AlertingSettings
from alerting.standby.standby_loop import run_with_standby
from runtime.clock import Clock, system_clock
from runtime.kafka.topics import ALARMS as ALARM_TOPIC
from runtime.model_source import CityModelSource, FollowedModel
from runtime.push_key import PushKey
from runtime.readiness import notify_ready
from runtime.sink_address import SinkRules, parse_networks
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
"""The loop checks what is due at least this often, so that a changed clock does not delay it."""

BUSY_CHANNEL_WAIT_S = 0.5
"""How long messages wait when all threads of their channel are busy, before the next check."""

CATCH_UP_S_MAX = 30.0
"""How long due steps wait until the log is read up to its end at the start. While the log is unavailable, the
known incidents are escalated after this time."""

STORED_RETRY_S = 10.0
"""How often an unavailable database is asked for the incidents of a log that was replaced."""

DATABASE_READ_S_MAX = 5.0
"""How long the loop waits for the database before it tries again later."""

PRUNE_EVERY = HOUR


class AlertingService:
    """The owner of the incident manager and the journal."""

    def __init__(
        self,
        settings: AlertingSettings,
        journal: Journal,
        model: CityModel,
        *,
        secrets: ChannelSecrets,
        clock: Clock,
        metrics: AlertingMetrics,
        permit: SendPermit | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._unsent = permit.unsent if permit is not None else ()
        self._metrics = metrics
        self._log_events: asyncio.Queue[DutyLogEvent] = asyncio.Queue(QUEUE_RECORDS_MAX)
        self._other_events: deque[AttemptResult | CityModel] = deque()
        self._has_events = asyncio.Event()
        self._has_caught_up = False
        self._has_busy_channel = False  # whether messages wait for threads of their channel
        self._unseeded_log = ""  # the log being read, until the incidents of the log before are known
        self._next_stored = 0.0
        self._next_prune = 0
        self._counted_steps = 0
        self.incident_manager = IncidentManager(journal.read(), model)
        self._gone_subscriptions = GoneSubscriptions(settings.database.get_secret_value(), settings.city)
        self._channels = ChannelSender(
            secrets,
            settings.try_timeout_s,
            sink_rules(settings),
            push_options(settings, clock),
            MessageFile(settings.message_file) if settings.message_file is not None else None,
        )
        self._pool = DeliveryPool(self._channels, delivery_options(settings), self._add_event, permit)
        self._self_monitor = SelfMonitor(
            self_monitor_options(settings),
            self.incident_manager,
            MqttProber(settings.mqtt_access(), settings.city),
            clock=clock,
            metrics=metrics,
        )

        self._rosters = RosterFollower(roster_options(settings), model, secrets, clock=clock, metrics=metrics)

    async def run(self, models: CityModelSource) -> None:
        """Run the duty loop until cancelled."""
        doubtful = self.incident_manager.resolve_doubtful(self._clock(), self._unsent)
        if doubtful:
            log.warning(
                "%d messages were being sent when the process ended; they are not sent again",
                doubtful,
                extra={"event": "alerting.doubtful", "messages": doubtful},
            )
            self._metrics.doubtful.inc(doubtful)
        self._write()
        kafka = self._settings.kafka_access()
        reader = DutyLogReader(
            kafka,
            self._settings.partitions,
            self._add_log_event,
            lambda: self.incident_manager.log,
            self.incident_manager.position,
        )
        publishing = publish_notifications(kafka, self._journal)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reader.run(), name="log")
                tasks.create_task(publishing, name="notification publisher")
                tasks.create_task(self._watch_model(models), name="model")
                tasks.create_task(self._self_monitor.run(), name="self monitor")
                tasks.create_task(self._rosters.run(), name="rosters")
                tasks.create_task(self._gone_subscriptions.run(), name="gone subscriptions")
                tasks.create_task(self._process(), name="duty loop")
        finally:
            await self._pool.close()
            self._process_other_events()
            self._write()
            self._channels.close()

    async def _watch_model(self, models: CityModelSource) -> None:
        async for model in models.watch():
            self._add_event(model)

    async def _process(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CATCH_UP_S_MAX
        while True:
            await self._process_events()
            if self._unseeded_log and loop.time() >= self._next_stored:
                await self._read_stored()
            if not self._has_caught_up and loop.time() >= deadline:
                log.warning(
                    "the log is not read up to its end; escalating the known incidents",
                    extra={"event": "alerting.not_caught_up"},
                )
                self._on_caught_up()
            if self._has_caught_up:
                self._self_monitor.check()
                self._process_due()
            self._write()
            self._publish_metrics()

    def _on_caught_up(self) -> None:
        if not self._has_caught_up:
            self._has_caught_up = True
            notify_ready()

    # -- events -----------------------------------------------------------------------------------------

    async def _add_log_event(self, event: DutyLogEvent) -> None:
        await self._log_events.put(event)
        self._has_events.set()

    def _add_event(self, event: AttemptResult | CityModel) -> None:
        self._other_events.append(event)
        self._has_events.set()

    async def _process_events(self) -> None:
        """Wait for an event or a due time, and process the events that have arrived."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_events.wait(), self._wait_s())
        self._has_events.clear()
        self._process_other_events()
        for _ in range(self._log_events.qsize()):
            await self._on_log_event(self._log_events.get_nowait())

    def _process_other_events(self) -> None:
        while self._other_events:
            self._on_event(self._other_events.popleft())

    def _wait_s(self) -> float:
        due = self.incident_manager.next_due() if self._has_caught_up else None
        if due is None:
            return CHECK_INTERVAL_S_MAX
        shortest = BUSY_CHANNEL_WAIT_S if self._has_busy_channel else 0.0
        return min(CHECK_INTERVAL_S_MAX, max(shortest, (due - self._clock()) / SECOND))

    async def _on_log_event(self, event: DutyLogEvent) -> None:
        match event:
            case DutyRecord():
                self._on_record(event)
            case LogStarted(log_id):
                if log_id != self.incident_manager.log:
                    await self._on_new_log(log_id)
            case CaughtUp():
                self._on_caught_up()

    async def _on_new_log(self, log_id: str) -> None:
        """Read another log from its beginning; its predecessor's unread alarms are in the database by now."""
        log.info(
            "reading another log, %s, from its beginning",
            log_id,
            extra={"event": "alerting.new_log", "log": log_id},
        )
        self.incident_manager.reset_log()
        self._unseeded_log = log_id
        await self._read_stored()
        if self._unseeded_log:
            log.warning(
                "the incidents of the log before are unknown: the database is unavailable",
                extra={"event": "alerting.database_unavailable"},
            )

    def _on_record(self, record: DutyRecord) -> None:
        now = self._clock()
        topic, number = record.partition
        try:
            if topic == ALARM_TOPIC:
                batch = ALARMS.decode(record.value)
                self.incident_manager.on_alarm_batch(batch, now)
                self._self_monitor.on_alarm_batch(number, batch)
            else:
                for command in DUTY_COMMANDS.decode(record.value).commands:
                    self.incident_manager.on_command(command, now)
        except MessageError as error:
            self._metrics.unreadable.inc()
            log.error(
                "record %s/%d offset %d cannot be read; skipping it: %s",
                topic,
                number,
                record.offset,
                error,
                extra={
                    "event": "alerting.unreadable",
                    "topic": topic,
                    "partition": number,
                    "offset": record.offset,
                },
            )
        self.incident_manager.advance_position(record.partition, record.offset + 1)

    async def _read_stored(self) -> None:
        """Apply the incidents that the database stores; if it is unavailable, this is repeated."""
        incidents = self.incident_manager.incidents
        unclosed = [state.id for state in incidents if state.phase is not IncidentPhase.CLOSED]
        database = self._settings.database.get_secret_value()
        batch = await read_stored_incidents(database, unclosed, self._clock())
        self._next_stored = asyncio.get_running_loop().time() + STORED_RETRY_S
        if batch is not None:
            self.incident_manager.on_alarm_batch(batch, self._clock())
            self.incident_manager.set_log(self._unseeded_log)
            self._unseeded_log = ""

    def _on_event(self, event: AttemptResult | CityModel) -> None:
        now = self._clock()
        match event:
            case AttemptResult():
                outcome = self.incident_manager.end_attempt(event, now)
                self._gone_subscriptions.add(event.gone)
                self._metrics.tries.labels(outcome).inc()
                if not event.sent:
                    log.warning(
                        "message %s: %s (%s)",
                        event.id,
                        outcome,
                        event.detail,
                        extra={
                            "event": "alerting.attempt_failed",
                            "notification": event.id,
                            "outcome": outcome,
                        },
                    )
            case CityModel():
                self.incident_manager.on_model(event, now)
                self._rosters.on_model(event)
                log.info(
                    "using version %d of the city model",
                    event.version,
                    extra={"event": "alerting.model", "version": event.version},
                )

    # -- actions ----------------------------------------------------------------------------------------

    def _process_due(self) -> None:
        """Take the due steps, and begin the due attempts of channels with a free thread."""
        now = self._clock()
        self.incident_manager.advance_to(now)
        if now >= self._next_prune:
            self._next_prune = now + PRUNE_EVERY
            self.incident_manager.prune(now)
        due = self.incident_manager.due_messages(now)
        reserved = [message for message in due if self._pool.reserve(message)]
        self._has_busy_channel = len(reserved) < len(due)
        attempts = [self.incident_manager.begin_attempt(message, now) for message in reserved]
        digests = [message for message in attempts if message.parts]
        self._metrics.digests.sent.inc(len(digests))
        self._metrics.digests.messages.inc(sum(len(digest.parts) for digest in digests))
        self._write()
        for message in attempts:
            self._pool.start_attempt(message, self.incident_manager.model.duty, now)

    def _write(self) -> None:
        change = self.incident_manager.take_change()
        if not change.is_empty:
            self._journal.write(change)

    def _publish_metrics(self) -> None:
        phases = Counter(state.phase for state in self.incident_manager.incidents)
        for phase in IncidentPhase:
            if phase is not IncidentPhase.CLOSED:
                self._metrics.incidents.labels(phase.value).set(phases[phase])
        self._metrics.waiting.set(self.incident_manager.pending_messages)
        self._metrics.unreachable.inc(self.incident_manager.unreachable_steps - self._counted_steps)
        self._counted_steps = self.incident_manager.unreachable_steps


@asynccontextmanager
async def open_journal(settings: AlertingSettings) -> AsyncIterator[DutyJournal]:
    """Open the journal of a city's duty loop, and close it at the end."""
    journal = DutyJournal(settings.state_dir / f"alerting-{settings.city}.sqlite")
    try:
        yield journal
    finally:
        journal.close()


async def run(settings: AlertingSettings, models: CityModelSource, environment: Mapping[str, str]) -> None:
    """Run the alerting role until cancelled; `environment` contains the secrets of channels."""
    registry = new_registry()
    metrics = AlertingMetrics(registry)
    serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    async with open_journal(settings) as journal:
        metrics.disk_free.set_function(lambda: shutil.disk_usage(settings.state_dir).free)
        model = await models.load()
        secrets = ChannelSecrets(environment)

        def service_with(journal: Journal, model: CityModel, permit: SendPermit | None) -> AlertingService:
            return AlertingService(
                settings, journal, model, secrets=secrets, clock=system_clock, metrics=metrics, permit=permit
            )

        if settings.standby:
            followed = FollowedModel(models, model)
            await run_with_standby(settings.kafka_access(), journal, followed, service_with, metrics)
        else:
            metrics.working.set(1)
            await service_with(journal, model, None).run(models)


def delivery_options(settings: AlertingSettings) -> DeliveryOptions:
    """Return how messages are sent, by the settings."""
    return DeliveryOptions(
        base_url=settings.base_url,
        link_key=settings.link_key.get_secret_value().encode(),
        link_valid=settings.link_hours * HOUR,
        attempt_timeout_s=settings.try_timeout_s,
    )


def push_options(settings: AlertingSettings, clock: Clock) -> PushOptions:
    """Return how messages are sent to browsers, by the settings. Raises PushKeyError for another key."""
    pem = settings.push_key
    key = PushKey.from_pem(pem.get_secret_value()) if pem is not None else None
    return PushOptions(key, settings.base_url, clock)


def self_monitor_options(settings: AlertingSettings) -> SelfMonitorOptions:
    """Return the options of the self monitor, by the settings."""
    url = settings.heartbeat_url
    return SelfMonitorOptions(
        partitions=settings.partitions,
        interval_s=settings.watchdog_interval_s,
        patience=int(settings.watchdog_patience_s * SECOND),
        heartbeat_url=url.get_secret_value() if url is not None else "",
        heartbeat_s=settings.heartbeat_interval_s,
    )


def sink_rules(settings: AlertingSettings) -> SinkRules:
    """Return which hosts channels with a template and rosters may have, by the settings."""
    return SinkRules(parse_networks(settings.sink_networks))


def roster_options(settings: AlertingSettings) -> RosterOptions:
    """Return how rosters are followed, by the settings."""
    return RosterOptions(
        database=settings.database.get_secret_value(),
        rules=sink_rules(settings),
        interval_s=settings.roster_interval_s,
    )


async def read_stored_incidents(database: str, unclosed: Iterable[str], now: Instant) -> AlarmBatch | None:
    """Return the newest stored events of all alarms, of the last incidents, and of the `unclosed` ones.

    Return None while the database is unavailable.
    """
    try:
        async with asyncio.timeout(DATABASE_READ_S_MAX), await connect(database, role="alerting") as stored:
            alarms = await read_newest_alarms(stored)
            incidents = {incident.incident: incident for incident in await read_last_incidents(stored)}
            for id in unclosed:
                # An incident that was followed by another of its cause and area is not the last one.
                if id not in incidents and (incident := await find_incident(stored, id)) is not None:
                    incidents[id] = incident
    except (*DATABASE_UNAVAILABLE, TimeoutError) as error:
        log.info(
            "cannot read alarms from the database: %r",
            error,
            extra={"event": "alerting.database_unavailable"},
        )
        return None
    return AlarmBatch(LAYOUT_VERSION, now, tuple(alarms), tuple(incidents.values()))
