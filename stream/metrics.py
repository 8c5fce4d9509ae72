"""What the stream role counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class StreamMetrics:
    """Counters of the stream role."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "livetwin_stream_records_total",
            "Records applied, by the topic that they came from.",
            ["topic"],
            registry=registry,
        )
        self.observations = Counter(
            "livetwin_stream_observations_total",
            "Observations, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.sent = Counter(
            "livetwin_stream_sent_records_total",
            "Records written to the log, by topic.",
            ["topic"],
            registry=registry,
        )
        self.unknown = Counter(
            "livetwin_stream_unknown_datastreams_total",
            "Observations of datastreams that the city model does not have; history keeps them.",
            registry=registry,
        )
        self.holes = Counter(
            "livetwin_stream_holes_total",
            "Holes in the offsets of a partition, sought back.",
            registry=registry,
        )
        self.unreadable = Counter(
            "livetwin_stream_unreadable_records_total",
            "Records that this version cannot read; history quarantines them.",
            registry=registry,
        )
        self.checkpoints = Counter(
            "livetwin_stream_checkpoints_total", "Checkpoints written.", registry=registry
        )
        self.checkpoint_seconds = Histogram(
            "livetwin_stream_checkpoint_seconds",
            "Time from a checkpoint's start until durable.",
            registry=registry,
        )
        self._add_places(registry)

    def _add_places(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "livetwin_stream_lag_records",
            "Records of the partitions of this process that are not applied, by topic.",
            ["topic"],
            registry=registry,
        )
        self.partitions = Gauge(
            "livetwin_stream_partitions", "Partitions in memory, by topic.", ["topic"], registry=registry
        )
