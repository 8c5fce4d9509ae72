"""The lookout: sends probes, watches what comes back, has the second way told, keeps the heartbeat going."""

from __future__ import annotations

import asyncio
import logging
import urllib.request
from dataclasses import dataclass
from urllib.error import HTTPError

from alerting.incidents.incident_manager import IncidentManager
from alerting.metrics import AlertingMetrics
from alerting.monitoring.prober import MqttProber
from alerting.monitoring.watchdog import PathStatus, Watchdog
from runtime.clock import Clock
from twin.alarms.messages import AlarmBatch
from twin.instant import SECOND, Duration

log = logging.getLogger(__name__)

HEARTBEAT_TIMEOUT_S = 10.0
RETRY_S = 1.0

LOOP_STUCK_AFTER_S = 15.0
"""A loop that has not come round for so long is stuck: its heart does not beat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfMonitorOptions:
    """How closely it is watched."""

    partitions: int
    interval_s: float
    patience: Duration
    heartbeat_url: str  #: empty: none
    heartbeat_s: float


class SelfMonitor:
    """Owned by the task of the loop; its own tasks only send."""

    def __init__(
        self,
        options: SelfMonitorOptions,
        desk: IncidentManager,
        prober: MqttProber,
        *,
        clock: Clock,
        metrics: AlertingMetrics,
    ) -> None:
        self._options = options
        self._desk = desk
        self._prober = prober
        self._clock = clock
        self._metrics = metrics
        self._watchdog = Watchdog(clock(), options.partitions, options.patience)
        self._path = PathStatus.UNKNOWN
        self._looked = 0.0

    def on_alarm_batch(self, partition: int, batch: AlarmBatch) -> None:
        """Take in the probes of a record of `alarms`."""
        if batch.probes:
            now = self._clock()
            self._watchdog.on_probes(partition, batch.probes, now)
            self._metrics.probe.set((now - batch.probes[-1].time) / SECOND)

    def check(self) -> None:
        """Judge, and have whoever is to know told."""
        now = self._clock()
        self._looked = asyncio.get_running_loop().time()
        path = self._watchdog.status(now)
        if path is not self._path:
            self._path = path
            log.log(
                logging.ERROR if path is PathStatus.CLOSED else logging.INFO,
                "the way from sensors is %s",
                path,
            )
        self._metrics.path_open.set(path is PathStatus.OPEN)
        if path is PathStatus.CLOSED:
            self._desk.notify_outage(self._watchdog.since, now)
        elif path is PathStatus.OPEN:
            self._desk.notify_outage_end(now)

    async def run(self) -> None:
        """Send probes and heartbeats until cancelled."""
        self._prober.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._probe(), name="probes")
                if self._options.heartbeat_url:
                    tasks.create_task(self._beat(), name="heartbeat")
        finally:
            await asyncio.to_thread(self._prober.stop)

    async def _probe(self) -> None:
        while True:
            sent = self._prober.send(self._clock())
            await asyncio.sleep(self._options.interval_s if sent else min(RETRY_S, self._options.interval_s))

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        failing = False
        while True:
            if self._path is PathStatus.OPEN and loop.time() - self._looked < LOOP_STUCK_AFTER_S:
                fault = await asyncio.to_thread(request_url, self._options.heartbeat_url)
                self._metrics.heartbeats.labels("failed" if fault else "sent").inc()
                if fault and not failing:
                    log.warning("the heartbeat does not get out: %s", fault)
                failing = bool(fault)
                await asyncio.sleep(self._options.heartbeat_s)
            else:
                await asyncio.sleep(min(1.0, self._options.heartbeat_s))


def request_url(url: str) -> str:
    """Ask for a URL; return why that failed, without the URL, which is a secret. Empty when it went well."""
    try:
        with urllib.request.urlopen(url, timeout=HEARTBEAT_TIMEOUT_S):  # noqa: S310
            return ""
    except HTTPError as error:
        return f"the answer is {error.code}"
    except (OSError, ValueError) as error:
        return type(error).__name__
