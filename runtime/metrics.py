"""The metrics endpoint of a role: Prometheus text over HTTP."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, start_http_server

log = logging.getLogger(__name__)


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve a registry at http://host:port/metrics from a thread of its own; port 0 serves nothing."""
    if port:
        start_http_server(port, addr=host, registry=registry)
        log.info("metrics are served on %s, port %d", host, port)
