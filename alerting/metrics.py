"""Metrics of the alerting role."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RosterMetrics:
    """Metrics of the rosters that the duty plan names by URL."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.checks = Counter(
            "livetwin_alerting_roster_checks_total",
            "Downloads of rosters that the duty plan names by URL, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.age = Gauge(
            "livetwin_alerting_roster_age_seconds",
            "Seconds since a team's roster was last downloaded and valid.",
            ["team"],
            registry=registry,
        )


class DigestMetrics:
    """Metrics of messages that are sent together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(
            "livetwin_alerting_digests_total",
            "Attempts to send several messages as one, a digest.",
            registry=registry,
        )
        self.messages = Counter(
            "livetwin_alerting_digested_messages_total", "Messages in these digests.", registry=registry
        )


class AlertingMetrics:
    """The Prometheus metrics of the role; labels are outcomes and phases, never people."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tries = Counter(
            "livetwin_alerting_tries_total",
            "Attempts to send a message, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.doubtful = Counter(
            "livetwin_alerting_doubtful_total",
            "Messages that were being sent when the process died.",
            registry=registry,
        )
        self.unreachable = Counter(
            "livetwin_alerting_unreachable_steps_total",
            "Escalation steps that had nobody to notify.",
            registry=registry,
        )
        self.digests = DigestMetrics(registry)
        self.unreadable = Counter(
            "livetwin_alerting_unreadable_records_total",
            "Records of the log that this version cannot read.",
            registry=registry,
        )
        self.path_open = Gauge(
            "livetwin_alerting_path_open",
            "1 while probes arrive from MQTT at the duty loop on every partition.",
            registry=registry,
        )
        self.probe = Gauge(
            "livetwin_alerting_probe_seconds",
            "Seconds from sending to arrival of the last probe.",
            registry=registry,
        )
        self.heartbeats = Counter(
            "livetwin_alerting_heartbeats_total",
            "Heartbeats to the external dead-man's switch, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.incidents = Gauge(
            "livetwin_alerting_incidents", "Open incidents, by phase.", ["phase"], registry=registry
        )
        self.disk_free = Gauge(
            "livetwin_alerting_disk_free_bytes", "Free bytes on the disk of the journal.", registry=registry
        )
        self.waiting = Gauge(
            "livetwin_alerting_waiting_messages", "Messages without an outcome.", registry=registry
        )
        self.rosters = RosterMetrics(registry)
        self.working = Gauge(
            "livetwin_alerting_working",
            "1 while this process notifies people, 0 while it is the standby.",
            registry=registry,
        )

    def reset(self) -> None:
        """Set what only the process that works knows to 0."""
        for gauge in (self.working, self.path_open, self.probe, self.waiting):
            gauge.set(0)
        self.incidents.clear()
        self.rosters.age.clear()
