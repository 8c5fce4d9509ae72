"""The metrics of the ingest role."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.mqtt.continuity import Interruption
from ingest.pipeline.intake import ProcessedMessage
from twin.instant import SECOND
from twin.quality.plausibility import QuarantineReason


class IngestMetrics:
    """Counters of the ingest role; label values are bounded (reasons, never sensor ids)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "livetwin_ingest_messages_total", "Messages received from MQTT.", registry=registry
        )
        self.acknowledged = Counter(
            "livetwin_ingest_acknowledged_total",
            "Messages acknowledged to the MQTT broker.",
            registry=registry,
        )
        self.observations = Counter(
            "livetwin_ingest_observations_total", "Observations written to the log.", registry=registry
        )
        self.quarantined = Counter(
            "livetwin_ingest_quarantined_total",
            "Messages quarantined, by reason.",
            ["reason"],
            registry=registry,
        )
        self.ticks = Counter(
            "livetwin_ingest_ticks_total",
            "Records with only a time, written to partitions without observations.",
            registry=registry,
        )
        self.replayed = Counter(
            "livetwin_ingest_replayed_total",
            "Replayed quarantined messages, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.mqtt_connected = Gauge(
            "livetwin_ingest_mqtt_connected", "1 while connected to the MQTT broker.", registry=registry
        )
        self.interruptions = Counter(
            "livetwin_ingest_session_interruptions_total",
            "Interruptions of the session at the MQTT broker, by reason.",
            ["reason"],
            registry=registry,
        )
        self.interrupted_time = Gauge(
            "livetwin_ingest_session_interrupted_time_seconds",
            "Time of the last interruption of the session at the MQTT broker, by reason; 0 for none.",
            ["reason"],
            registry=registry,
        )
        for reason in (QuarantineReason.SESSION_TAKEN_OVER, QuarantineReason.SESSION_LOST):
            self.interruptions.labels(reason)
            self.interrupted_time.labels(reason)
        self.kafka_up = Gauge(
            "livetwin_ingest_kafka_up", "1 while Kafka confirms written records.", registry=registry
        )
        self.batch = Histogram(
            "livetwin_ingest_batch_messages",
            "Messages in one batch to Kafka.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
            registry=registry,
        )

    def count_interruption(self, interruption: Interruption) -> None:
        """Count interruptions of the session."""
        self.interruptions.labels(interruption.reason).inc(interruption.times)
        self.interrupted_time.labels(interruption.reason).set(interruption.last / SECOND)

    def count_replayed(self, outcome: str) -> None:
        """Count a replayed message: `resolved`, `failed` or `unreadable`."""
        self.replayed.labels(outcome).inc()

    def count_batch(self, batch: Sequence[ProcessedMessage]) -> None:
        """Count a confirmed batch."""
        self.batch.observe(len(batch))
        self.observations.inc(sum(len(result.observations) for result in batch))
        for result in batch:
            if result.quarantined is not None:
                self.quarantined.labels(result.quarantined.reason).inc()
