"""What `livetwin up` tells of itself as metrics, and the ports that it and its roles tell them on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

from cli.embedded.ports import claim_port

SUPERVISOR_NAME = "up"
"""The name of the supervisor among those that have a port."""


class SupervisedProcess(Protocol):
    """A role or a service that is kept running."""

    @property
    def name(self) -> str:
        """Return what it is called."""
        ...

    @property
    def pids(self) -> Sequence[int]:
        """Return its process ids; none while it does not run."""
        ...


class SupervisorMetrics:
    """The processes of an embedded system, and its log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = Gauge(
            "livetwin_up_running",
            "1 while the process runs, 0 while it waits to be started again.",
            ["process"],
            registry=registry,
        )
        self.log_bytes = Gauge(
            "livetwin_up_log_bytes",
            "Memory of the embedded broker, which is that of the log.",
            registry=registry,
        )
        self.log_bytes_max = Gauge(
            "livetwin_up_log_bytes_max", "Memory at which the log is recycled.", registry=registry
        )
        self.recycles = Gauge(
            "livetwin_up_recycles", "How often the log was recycled since the start.", registry=registry
        )

    def add_process(self, process: SupervisedProcess) -> None:
        """Tell from now on whether a process runs."""
        self.running.labels(process.name).set_function(lambda: float(bool(process.pids)))


def metrics_ports(first: int | None, roles: Iterable[str]) -> dict[str, int]:
    """Return the port of the supervisor and of each role: those from `first` on, or free ones for 0.

    None asks for none. Raises ServiceError when one is taken.
    """
    if first is None:
        return {}
    return {
        name: claim_port(first + number if first else 0, f"the metrics of {name}", "--metrics-port")
        for number, name in enumerate((SUPERVISOR_NAME, *roles))
    }
