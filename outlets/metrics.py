"""The metrics of the outlets role."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class OutletMetrics:
    """Metrics of the outlets; their live view has the metrics of the api beside them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.working = Gauge(
            "livetwin_outlets_working",
            "1 while this process publishes and delivers, 0 while it is the standby.",
            registry=registry,
        )
        self.mqtt_connected = Gauge(
            "livetwin_outlets_mqtt_connected", "1 while connected to the MQTT broker.", registry=registry
        )
        self.mqtt_messages = Counter(
            "livetwin_outlets_mqtt_messages_total",
            "Messages sent to the MQTT broker, by kind.",
            ["kind"],
            registry=registry,
        )
        self.mqtt_waiting = Gauge(
            "livetwin_outlets_mqtt_waiting",
            "Entities and alarms with changes that are not published yet.",
            registry=registry,
        )
        self.webhooks = Gauge(
            "livetwin_outlets_webhooks", "Webhooks with a running delivery.", registry=registry
        )
        self.webhooks_failing = Gauge(
            "livetwin_outlets_webhooks_failing", "Webhooks whose last attempt failed.", registry=registry
        )
        self.webhook_messages = Counter(
            "livetwin_outlets_webhook_messages_total",
            "Attempts to deliver a message, by result; `dead` counts messages given up.",
            ["result"],
            registry=registry,
        )
        self.webhook_handshakes = Counter(
            "livetwin_outlets_webhook_handshakes_total",
            "Receivers asked for their consent, by result.",
            ["result"],
            registry=registry,
        )
        self.webhook_events = Counter(
            "livetwin_outlets_webhook_events_total", "Events delivered by webhooks.", registry=registry
        )

    def reset(self) -> None:
        """Set what only the process that works knows to 0."""
        for gauge in (self.working, self.mqtt_waiting, self.webhooks, self.webhooks_failing):
            gauge.set(0)
