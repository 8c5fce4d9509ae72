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
