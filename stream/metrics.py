"""Metrics of the stream role."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class StreamMetrics:
    """The Prometheus metrics of the stream role."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "livetwin_stream_records_total",
            "Applied records, by input topic.",
            ["topic"],
            registry=registry,
        )
        self.observations = Counter(
            "livetwin_stream_observations_total",
            "Applied observations, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.sent = Counter(
            "livetwin_stream_sent_records_total",
            "Records sent to Kafka, by topic.",
            ["topic"],
            registry=registry,
        )
        self.unknown = Counter(
            "livetwin_stream_unknown_datastreams_total",
            "Observations of datastreams that the city model does not have; history stores them.",
            registry=registry,
        )
        self.holes = Counter(
            "livetwin_stream_holes_total",
            "Holes found in the offsets of a partition; the stream seeks back to each.",
            registry=registry,
        )
        self.unreadable = Counter(
            "livetwin_stream_unreadable_records_total",
            "Records that this version cannot read; the historian quarantines them.",
            registry=registry,
        )
        self.checkpoints = Counter(
            "livetwin_stream_checkpoints_total", "Written checkpoints.", registry=registry
        )
        self.checkpoint_seconds = Histogram(
            "livetwin_stream_checkpoint_seconds",
            "Seconds from the start of a checkpoint until it is durable.",
            registry=registry,
        )
        self._add_gauges(registry)

    def _add_gauges(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "livetwin_stream_lag_records",
            "Records of this process's partitions that are not applied yet, by topic.",
            ["topic"],
            registry=registry,
        )
        self.partitions = Gauge(
            "livetwin_stream_partitions", "Partitions in memory, by topic.", ["topic"], registry=registry
        )
