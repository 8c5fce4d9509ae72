"""The metrics of `livetwin up`, and the metrics ports of the supervisor and its roles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

from cli.embedded.ports import claim_port

SUPERVISOR_NAME = "up"
"""The name of the supervisor in the mapping of metrics ports."""


class SupervisedProcess(Protocol):
    """A role or a service that the supervisor keeps running."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def pids(self) -> Sequence[int]:
        """Return its process ids; empty while it does not run."""
        ...


class SupervisorMetrics:
    """Metrics of the processes and the log of an embedded system."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = Gauge(
            "livetwin_up_running",
            "1 while the process runs, 0 while it waits for its restart.",
            ["process"],
            registry=registry,
        )
        self.log_bytes = Gauge(
            "livetwin_up_log_bytes",
            "Memory of the embedded broker, which holds the log.",
            registry=registry,
        )
        self.log_bytes_max = Gauge(
            "livetwin_up_log_bytes_max", "Memory above which the log is recycled.", registry=registry
        )
        self.recycles = Gauge(
            "livetwin_up_recycles", "Number of recycles of the log since the start.", registry=registry
        )

    def add_process(self, process: SupervisedProcess) -> None:
        """Export from now on whether a process runs."""
        self.running.labels(process.name).set_function(lambda: float(bool(process.pids)))


def metrics_ports(first: int | None, roles: Iterable[str]) -> dict[str, int]:
    """Return the metrics ports of the supervisor and each role: consecutive from `first`, or free ones for 0.

    None disables metrics. Raises ServiceError when a port is taken.
    """
    if first is None:
        return {}
    return {
        name: claim_port(first + number if first else 0, f"the metrics of {name}", "--metrics-port")
        for number, name in enumerate((SUPERVISOR_NAME, *roles))
    }
