"""The metrics endpoint of a role: Prometheus text on loopback."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, start_http_server

log = logging.getLogger(__name__)


def serve_metrics(registry: CollectorRegistry, port: int) -> None:
    """Serve a registry at http://127.0.0.1:port/metrics from a thread of its own; port 0 serves nothing."""
    if port:
        start_http_server(port, addr="127.0.0.1", registry=registry)
        log.info("metrics are served on port %d", port)
