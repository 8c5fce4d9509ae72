"""The metrics of the api role."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ApiMetrics:
    """Counters, gauges and histograms of one api process; served at /metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.subscribers = Gauge(
            "livetwin_api_subscribers", "Subscribers of the live stream.", registry=registry
        )
        self.subscribers_refused = Counter(
            "livetwin_api_subscribers_refused_total",
            "Subscribers refused because the limit was reached.",
            registry=registry,
        )
        self.events = Counter(
            "livetwin_api_events_total", "Events offered to subscribers.", ["event"], registry=registry
        )
        self.gaps = Counter(
            "livetwin_api_gaps_total", "Gap events sent, by reason.", ["reason"], registry=registry
        )
        self.resumes = Counter(
            "livetwin_api_resumes_total", "Subscribers resumed, by source.", ["source"], registry=registry
        )
        self.updates = Counter(
            "livetwin_api_updates_total",
            "Updates read from the log, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.updates_applied, self.updates_known = self.updates.labels("taken"), self.updates.labels("known")
        self.records_unreadable = Counter(
            "livetwin_api_unreadable_records_total", "Records that could not be read.", registry=registry
        )
        self.view_size = Gauge("livetwin_api_view_values", "Values in the live view.", registry=registry)
        self.log_lag = Gauge(
            "livetwin_api_feed_lag_records",
            "Records of `updates` and `alarms` not yet applied to the live view.",
            registry=registry,
        )
        self.log_up = Gauge("livetwin_api_log_up", "1 while the log (Kafka) answers.", registry=registry)
        self.reseeds = Counter(
            "livetwin_api_reseeds_total",
            "Times the live view was seeded, by source.",
            ["source"],
            registry=registry,
        )
        self._add_alarms_and_requests()

    def _add_alarms_and_requests(self) -> None:
        registry = self.registry
        self.alarms = Counter(
            "livetwin_api_alarm_events_total",
            "Alarm events read from the log, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.commands = Counter(
            "livetwin_api_alarm_commands_total",
            "Alarm commands, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.view_alarms = Gauge(
            "livetwin_api_view_alarms", "Alarms in the live view, including normal ones.", registry=registry
        )
        self.requests = Counter(
            "livetwin_api_requests_total", "Requests answered.", ["route", "status"], registry=registry
        )
        self.requests_limited = Counter(
            "livetwin_api_limited_total",
            "Requests refused by a limit of requests, of waiting requests or of subscribers.",
            ["limit"],
            registry=registry,
        )
        self.audit_failures = Counter(
            "livetwin_api_audit_failures_total",
            "Changes and readings of personal data that could not be recorded in the audit log.",
            registry=registry,
        )
        self.processing_records = Counter(
            "livetwin_api_processing_records_total",
            "Readings of personal data that the collector of processing logs has confirmed.",
            registry=registry,
        )
        self.waiting_bytes = Gauge(
            "livetwin_api_waiting_bytes", "Bytes of answers that wait for slow readers.", registry=registry
        )
        self.readers_cut_off = Counter(
            "livetwin_api_readers_cut_off_total",
            "Connections closed: the client did not read (timeout, memory), or a download failed (failure).",
            ["reason"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "livetwin_api_request_seconds",
            "Time until the response began.",
            ["route"],
            registry=registry,
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0),
        )
