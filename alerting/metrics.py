"""What the alerting role counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class AlertingMetrics:
    """Counters of the alerting role; labels are outcomes and phases, never people."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tries = Counter(
            "livetwin_alerting_tries_total",
            "Tries to send a message, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.doubtful = Counter(
            "livetwin_alerting_doubtful_total",
            "Messages that were being handed over when the process died.",
            registry=registry,
        )
        self.unreachable = Counter(
            "livetwin_alerting_unreachable_steps_total", "Steps that had nobody to tell.", registry=registry
        )
        self.unreadable = Counter(
            "livetwin_alerting_unreadable_records_total",
            "Records of the log that this version cannot read.",
            registry=registry,
        )
        self.path_open = Gauge(
            "livetwin_alerting_path_open",
            "1 while probes come through from MQTT to the duty loop on every partition.",
            registry=registry,
        )
        self.probe = Gauge(
            "livetwin_alerting_probe_seconds", "How long the last probe was on its way.", registry=registry
        )
        self.heartbeats = Counter(
            "livetwin_alerting_heartbeats_total",
            "Heartbeats to the dead-man's switch outside, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.incidents = Gauge(
            "livetwin_alerting_incidents",
            "Incidents that are not over, by phase.",
            ["phase"],
            registry=registry,
        )
        self.disk_free = Gauge(
            "livetwin_alerting_disk_free_bytes",
            "Room on the disk of the journal.",
            registry=registry,
        )
        self.waiting = Gauge(
            "livetwin_alerting_waiting_messages", "Messages without an outcome yet.", registry=registry
        )
