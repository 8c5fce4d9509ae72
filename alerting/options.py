"""The options of the parts of the role, from its settings."""

from __future__ import annotations

from alerting.delivery.delivery_pool import DeliveryOptions
from alerting.monitoring.self_monitor import SelfMonitorOptions
from alerting.settings import AlertingSettings
from twin.instant import HOUR, SECOND


def delivery_options(settings: AlertingSettings) -> DeliveryOptions:
    """Return how messages are sent."""
    return DeliveryOptions(
        base_url=settings.base_url,
        link_key=settings.link_key.get_secret_value().encode(),
        link_valid=settings.link_hours * HOUR,
        attempt_timeout_s=settings.try_timeout_s,
    )


def self_monitor_options(settings: AlertingSettings) -> SelfMonitorOptions:
    """Return how closely it is watched."""
    url = settings.heartbeat_url
    return SelfMonitorOptions(
        partitions=settings.partitions,
        interval_s=settings.watchdog_interval_s,
        patience=int(settings.watchdog_patience_s * SECOND),
        heartbeat_url=url.get_secret_value() if url is not None else "",
        heartbeat_s=settings.heartbeat_interval_s,
    )
