"""The metrics of a role: what every role tells, and the endpoint that serves it (Prometheus text)."""

from __future__ import annotations

import logging
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from twin.wire.codec import LAYOUT_VERSION

log = logging.getLogger(__name__)


class RoleMetrics:
    """What every role tells beside its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.build = Gauge(
            "livetwin_build_info",
            "1, with the version that runs, and the version of records that it reads and writes.",
            ["version", "records"],
            registry=registry,
        )
        self.build.labels(version("livetwin"), str(LAYOUT_VERSION)).set(1)


def new_registry() -> CollectorRegistry:
    """Return the registry of a process, with what every role tells: process, Python, and build."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    RoleMetrics(registry)
    return registry


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve a registry at http://host:port/metrics from a thread of its own; port 0 serves nothing."""
    if port:
        start_http_server(port, addr=host, registry=registry)
        log.info("metrics are served on %s, port %d", host, port)
