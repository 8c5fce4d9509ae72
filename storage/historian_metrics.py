"""What the historian counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OUTCOMES = ("new", "corrected", "superseded", "duplicate")
"""What becomes of an observation; columns of the ledger."""


class HistorianMetrics:
    """The historian's metrics, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.observations = Counter(
            "livetwin_historian_observations_total",
            "Observations taken in, by what became of them: new, corrected (another value for the same key, "
            "received later), superseded (the same, received earlier), duplicate (the same value)",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self.observations.labels(outcome)
        self.messages = Counter(
            "livetwin_historian_messages_total",
            "Received messages that the ledger counted",
            registry=self.registry,
        )
        self.updates = Counter("livetwin_historian_updates_total", "Updates taken in", registry=self.registry)
        self.derived = Counter(
            "livetwin_historian_derived_total",
            "Aggregates, judgements and repair requests taken in",
            registry=self.registry,
        )
        self.alarms = Counter(
            "livetwin_historian_alarm_events_total",
            "Events of alarms and incidents taken in",
            registry=self.registry,
        )
        self.notifications = Counter(
            "livetwin_historian_notifications_total",
            "Events of messages to people taken in",
            registry=self.registry,
        )
        self.replays = Counter(
            "livetwin_historian_replays_total",
            "Requests for the replay of a quarantined message sent to ingest",
            registry=self.registry,
        )
        self.quarantined = Counter(
            "livetwin_historian_quarantined_total", "Quarantined messages taken in", registry=self.registry
        )
        self.unreadable = Counter(
            "livetwin_historian_unreadable_records_total",
            "Records of the log that could not be read or not wholly stored; they are in quarantine",
            registry=self.registry,
        )
        self._add_log_and_database()

    def _add_log_and_database(self) -> None:
        self.lost = Counter(
            "livetwin_historian_lost_offsets_total",
            "Offsets that the log no longer held when the historian wanted them",
            registry=self.registry,
        )
        self.logs = Counter(
            "livetwin_historian_logs_total",
            "Logs followed: one at start, one for each new log identity",
            registry=self.registry,
        )
        self.database_up = Gauge(
            "livetwin_historian_database_up",
            "1 while the database takes transactions, 0 while the historian waits for it",
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
