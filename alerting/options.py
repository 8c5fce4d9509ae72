"""The options of the parts of the role, from its settings."""

from __future__ import annotations

from alerting.delivery.delivery_pool import PostOptions
from alerting.monitoring.self_monitor import LookoutOptions
from alerting.settings import AlertingSettings
from twin.instant import HOUR, SECOND


def post_options(settings: AlertingSettings) -> PostOptions:
    """Return how messages are sent."""
    return PostOptions(
        base_url=settings.base_url,
        link_key=settings.link_key.get_secret_value().encode(),
        link_valid=settings.link_hours * HOUR,
        try_timeout_s=settings.try_timeout_s,
    )


def lookout_options(settings: AlertingSettings) -> LookoutOptions:
    """Return how closely it is watched."""
    url = settings.heartbeat_url
    return LookoutOptions(
        partitions=settings.partitions,
        interval_s=settings.watchdog_interval_s,
        patience=int(settings.watchdog_patience_s * SECOND),
        heartbeat_url=url.get_secret_value() if url is not None else "",
        heartbeat_s=settings.heartbeat_interval_s,
    )
