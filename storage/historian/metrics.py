"""The Prometheus metrics of the historian."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.clock import Clock, system_clock
from twin.instant import SECOND, Instant

OBSERVATION_OUTCOMES = ("new", "corrected", "superseded", "duplicate")
"""The results of storing an observation; each is a column of the ledger."""


class HistorianMetrics:
    """The historian's metrics, in the given registry or in a new one."""

    def __init__(self, registry: CollectorRegistry | None = None, clock: Clock = system_clock) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._clock = clock
        self._unstored_since: Instant | None = None
        self.observations = Counter(
            "livetwin_historian_observations_total",
            "Observations processed, by result: new, corrected (another value for the same key, received "
            "later), superseded (another value, received earlier), duplicate (the same value)",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in OBSERVATION_OUTCOMES:
            self.observations.labels(outcome)
        self.messages = Counter(
            "livetwin_historian_messages_total",
            "Received messages that the ledger counted",
            registry=self.registry,
        )
        self.updates = Counter(
            "livetwin_historian_updates_total", "Updates processed", registry=self.registry
        )
        self.derived = Counter(
            "livetwin_historian_derived_total",
            "Aggregates, assessments and repair requests processed",
            registry=self.registry,
        )
        self.alarms = Counter(
            "livetwin_historian_alarm_events_total",
            "Events of alarms and incidents processed",
            registry=self.registry,
        )
        self.notifications = Counter(
            "livetwin_historian_notifications_total",
            "Events of notifications processed",
            registry=self.registry,
        )
        self.replays = Counter(
            "livetwin_historian_replays_total",
            "Requests to replay a quarantined message that were sent to ingest",
            registry=self.registry,
        )
        self.quarantined = Counter(
            "livetwin_historian_quarantined_total", "Quarantined messages processed", registry=self.registry
        )
        self.unreadable = Counter(
            "livetwin_historian_unreadable_records_total",
            "Records of the log that could not be read, or not be stored completely; they are in quarantine",
            registry=self.registry,
        )
        self._add_log_and_database()
        self._add_backlog_and_ledger()
        self._add_quarantine()

    def _add_log_and_database(self) -> None:
        self.lost = Counter(
            "livetwin_historian_lost_offsets_total",
            "Offsets that the log no longer held when the historian was to read them",
            registry=self.registry,
        )
        self.logs = Counter(
            "livetwin_historian_logs_total",
            "Starts of reading: at the start, for a new log, for another assignment, after an outage",
            registry=self.registry,
        )
        self.database_up = Gauge(
            "livetwin_historian_database_up",
            "1 while the database accepts transactions, 0 while the historian waits for it",
            registry=self.registry,
        )
        self.transaction_seconds = Histogram(
            "livetwin_historian_transaction_seconds",
            "Time from begin to commit",
            registry=self.registry,
        )
        self.transaction_rows = Histogram(
            "livetwin_historian_transaction_rows",
            "Observations, updates, derived rows, alarms and quarantined messages of one transaction",
            buckets=(1, 10, 100, 1_000, 10_000, 100_000),
            registry=self.registry,
        )

    def _add_quarantine(self) -> None:
        self.quarantine_bytes = Gauge(
            "livetwin_historian_quarantine_bytes",
            "Bytes of quarantined messages, when the last one was stored",
            registry=self.registry,
        )
        self.quarantine_limited = Counter(
            "livetwin_historian_quarantine_limited_total",
            "Quarantined messages beyond the limits, by what is kept: the head, or nothing but their count",
            ["kept"],
            registry=self.registry,
        )
        for kept in ("head", "nothing"):
            self.quarantine_limited.labels(kept)

    def _add_backlog_and_ledger(self) -> None:
        self.lag = Gauge(
            "livetwin_historian_lag_records",
            "Records of the log that are not stored yet, as of the last fetch",
            registry=self.registry,
        )
        unstored = Gauge(
            "livetwin_historian_unstored_seconds",
            "Age of the oldest record that is not stored yet",
            registry=self.registry,
        )
        unstored.set_function(self._unstored_s)
        self.balances = Gauge(
            "livetwin_historian_ledger_balances",
            "1 when the last audit found every message and observation accounted for, else 0",
            registry=self.registry,
        )
        self.lost_messages = Gauge(
            "livetwin_historian_ledger_lost_messages",
            "Acknowledged messages that the ledger lacks, by the last audit",
            registry=self.registry,
        )
        self.database_bytes = Gauge(
            "livetwin_historian_database_bytes",
            "Size of the database, by the last audit",
            registry=self.registry,
        )
        self.audit_time = Gauge(
            "livetwin_historian_audit_timestamp_seconds",
            "Time of the last audit, since the epoch",
            registry=self.registry,
        )
        for gauge in (self.balances, self.lost_messages, self.database_bytes, self.audit_time):
            gauge.set(math.nan)  # until the first audit

    def set_oldest_unstored(self, oldest: Instant | None) -> None:
        """Set the time of writing of the oldest record that is not stored yet; None when all are stored."""
        self._unstored_since = oldest

    def _unstored_s(self) -> float:
        since = self._unstored_since
        return 0.0 if since is None else max(0.0, (self._clock() - since) / SECOND)
