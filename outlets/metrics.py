"""The metrics of the outlets role."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class OutletMetrics:
    """What the outlets count, beside what their live view counts as that of the api does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.mqtt_connected = Gauge(
            "livetwin_outlets_mqtt_connected", "1 while the MQTT broker is reached.", registry=registry
        )
        self.mqtt_messages = Counter(
            "livetwin_outlets_mqtt_messages_total",
            "Messages sent to the MQTT broker, by kind.",
            ["kind"],
            registry=registry,
        )
        self.mqtt_waiting = Gauge(
            "livetwin_outlets_mqtt_waiting",
            "Entities and alarms that changed and are not told yet.",
            registry=registry,
        )
        self.webhooks = Gauge(
            "livetwin_outlets_webhooks", "Webhooks that are delivered to.", registry=registry
        )
        self.webhooks_failing = Gauge(
            "livetwin_outlets_webhooks_failing", "Webhooks whose last try failed.", registry=registry
        )
        self.webhook_messages = Counter(
            "livetwin_outlets_webhook_messages_total",
            "Tries to deliver a message, by what became of them; and messages given up.",
            ["result"],
            registry=registry,
        )
        self.webhook_events = Counter(
            "livetwin_outlets_webhook_events_total", "Events delivered by webhooks.", registry=registry
        )
