"""The metrics that every role has, and the endpoint that serves a role's metrics (Prometheus text)."""

from __future__ import annotations

import logging
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from runtime.telemetry.metrics_server import start_metrics_server
from twin.wire.codec import LAYOUT_VERSION

log = logging.getLogger(__name__)


class RoleMetrics:
    """Metrics of every role, beside its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.build = Gauge(
            "livetwin_build_info",
            "Always 1; labels: the running version, and the version of the records that it uses.",
            ["version", "records"],
            registry=registry,
        )
        self.build.labels(version("livetwin"), str(LAYOUT_VERSION)).set(1)


def new_registry() -> CollectorRegistry:
    """Return a registry with the metrics of every role: process, Python and build."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    RoleMetrics(registry)
    return registry


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve a registry at http://host:port/metrics from a separate thread; do nothing for port 0."""
    if port:
        start_metrics_server(registry, host, port)
        log.info(
            "metrics are served on %s, port %d", host, port, extra={"event": "metrics.serving", "port": port}
        )
