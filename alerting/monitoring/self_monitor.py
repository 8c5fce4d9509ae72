"""The self monitor: sends probes, checks that they come back, notifies of an outage, and sends heartbeats."""

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
"""A duty loop without a check for this long is stuck: no heartbeat is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfMonitorOptions:
    """The intervals of probes and heartbeats, and the time limit of a probe."""

    partitions: int
    interval_s: float
    patience: Duration
    heartbeat_url: str  #: empty for no heartbeat
    heartbeat_s: float


class SelfMonitor:
    """Owned by the task of the duty loop; its own tasks only send."""

    def __init__(
        self,
        options: SelfMonitorOptions,
        incident_manager: IncidentManager,
        prober: MqttProber,
        *,
        clock: Clock,
        metrics: AlertingMetrics,
    ) -> None:
        self._options = options
        self._incident_manager = incident_manager
        self._prober = prober
        self._clock = clock
        self._metrics = metrics
        self._watchdog = Watchdog(clock(), options.partitions, options.patience)
        self._status = PathStatus.UNKNOWN
        self._checked_time = 0.0

    def on_alarm_batch(self, partition: int, batch: AlarmBatch) -> None:
        """Pass the probes of a record of `alarms` to the watchdog."""
        if batch.probes:
            now = self._clock()
            self._watchdog.on_probes(partition, batch.probes, now)
            self._metrics.probe.set((now - batch.probes[-1].time) / SECOND)

    def check(self) -> None:
        """Check whether the path from sensors is open, and notify the watchdog's contact of a change."""
        now = self._clock()
        self._checked_time = asyncio.get_running_loop().time()
        status = self._watchdog.status(now)
        if status is not self._status:
            self._status = status
            level = logging.ERROR if status is PathStatus.CLOSED else logging.INFO
            log.log(
                level,
                "the path from sensors is %s",
                status,
                extra={"event": "alerting.path", "status": str(status)},
            )
        self._metrics.path_open.set(status is PathStatus.OPEN)
        if status is PathStatus.CLOSED:
            self._incident_manager.notify_outage(self._watchdog.since, now)
        elif status is PathStatus.OPEN:
            self._incident_manager.notify_outage_end(now)

    async def run(self) -> None:
        """Send probes and heartbeats until cancelled."""
        self._prober.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_probes(), name="probes")
                if self._options.heartbeat_url:
                    tasks.create_task(self._send_heartbeats(), name="heartbeat")
        finally:
            await asyncio.to_thread(self._prober.stop)

    async def _send_probes(self) -> None:
        while True:
            is_sent = self._prober.send(self._clock())
            interval_s = self._options.interval_s
            await asyncio.sleep(interval_s if is_sent else min(RETRY_S, interval_s))

    async def _send_heartbeats(self) -> None:
        loop = asyncio.get_running_loop()
        is_failing = False
        while True:
            is_running = loop.time() - self._checked_time < LOOP_STUCK_AFTER_S
            if self._status is not PathStatus.OPEN or not is_running:
                await asyncio.sleep(min(1.0, self._options.heartbeat_s))
                continue
            reason = await asyncio.to_thread(request_url, self._options.heartbeat_url)
            self._metrics.heartbeats.labels("failed" if reason else "sent").inc()
            if reason and not is_failing:
                log.warning(
                    "the heartbeat cannot be sent: %s", reason, extra={"event": "alerting.heartbeat_failed"}
                )
            is_failing = bool(reason)
            await asyncio.sleep(self._options.heartbeat_s)


def request_url(url: str) -> str:
    """Request a URL; return why it failed, without the URL, which is a secret; empty on success."""
    try:
        with urllib.request.urlopen(url, timeout=HEARTBEAT_TIMEOUT_S):  # noqa: S310
            return ""
    except HTTPError as error:
        return f"the answer is {error.code}"
    except (OSError, ValueError) as error:
        return type(error).__name__
