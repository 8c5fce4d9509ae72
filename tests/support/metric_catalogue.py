"""Every metric of every role, as registered by the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from alerting.metrics import AlertingMetrics
from api.metrics import ApiMetrics
from cli.supervisor.metrics import SupervisorMetrics
from ingest.metrics import IngestMetrics
from outlets.metrics import OutletMetrics
from runtime.telemetry.metrics import RoleMetrics
from storage.historian.metrics import HistorianMetrics
from stream.metrics import StreamMetrics


class MetricDescription(NamedTuple):
    """Type and label names of a metric."""

    type: str
    labels: tuple[str, ...]


METRIC_FACTORIES: dict[str, tuple[Callable[[CollectorRegistry], object], ...]] = {
    "ingest": (IngestMetrics,),
    "stream": (StreamMetrics,),
    "historian": (HistorianMetrics,),
    "api": (ApiMetrics,),
    "alerting": (AlertingMetrics,),
    "outlets": (OutletMetrics, ApiMetrics),
    "up": (SupervisorMetrics,),
}
"""The factories of the metrics of each role and of `livetwin up`, besides those of every role."""

METRIC_MODULES = {
    "alerting/metrics.py",
    "api/metrics.py",
    "cli/supervisor/metrics.py",
    "ingest/metrics.py",
    "outlets/metrics.py",
    "runtime/telemetry/metrics.py",
    "storage/historian/metrics.py",
    "stream/metrics.py",
}
"""The modules that register metrics."""


def role_metrics(role: str) -> dict[str, MetricDescription]:
    """Return the metrics of one role, by their names in a scrape."""
    registry = CollectorRegistry()
    RoleMetrics(registry)
    for make in METRIC_FACTORIES[role]:
        make(registry)
    collectors: list[Any] = list(registry._collector_to_names)
    return {
        collector._name + ("_total" if collector._type == "counter" else ""): MetricDescription(
            collector._type, tuple(collector._labelnames)
        )
        for collector in collectors
    }


def all_metrics() -> dict[str, MetricDescription]:
    """Return the metrics of all roles."""
    return {name: metric for role in METRIC_FACTORIES for name, metric in role_metrics(role).items()}
