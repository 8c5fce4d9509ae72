"""Kafka as repairs of alarms use it: the end of the log, and corrections for the alarm stage."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import end_offsets, log_identity
from runtime.kafka.topics import AGGREGATES, ALARM_INPUTS, ALARMS, OBSERVATIONS, UPDATES, partition_counts
from storage.maintenance.alarm_repair import LogEnd
from storage.maintenance.log_sender import RepairRecord, send_records
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.messages import ALARM_INPUTS as ALARM_INPUTS_CODEC
from twin.alarms.messages import AlarmInputBatch
from twin.errors import ServiceError
from twin.instant import INSTANT_MIN
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import partition_of

STORED_TOPICS = (OBSERVATIONS, UPDATES, AGGREGATES, ALARMS)
"""The topics that contain points of operands, or events of alarms."""


class KafkaAlarmInputs:
    """The topic `alarm-inputs` and the end of the log, on a Kafka."""

    def __init__(self, kafka: Kafka, partitions: int) -> None:
        self._kafka = kafka
        self._partitions = partitions

    async def end(self) -> LogEnd:
        """Return the end of the topics that the historian stores. Raises ServiceError without Kafka."""
        counts = partition_counts(self._partitions)
        wanted = [TopicPartition(topic, number) for topic in STORED_TOPICS for number in range(counts[topic])]
        try:
            log_id = await log_identity(self._kafka)
            ends = await end_offsets(self._kafka, wanted)
        except (KafkaError, OSError) as error:
            raise_if_cancelled()
            raise ServiceError(f"Kafka did not return the end of the log: {error!r}") from error
        # A partition without records has no stored position.
        positions = {f"{one.topic}/{one.partition}": offset for one, offset in ends.items() if offset}
        return LogEnd(log_id, positions)

    async def send(self, corrections: Sequence[AlarmCorrection]) -> None:
        """Send corrections to the alarm stage; return when they are on the log. Raises ServiceError."""
        await send_records(
            self._kafka,
            (
                RepairRecord(
                    ALARM_INPUTS,
                    partition_of(one.entity, self._partitions),
                    ALARM_INPUTS_CODEC.encode(
                        AlarmInputBatch(LAYOUT_VERSION, INSTANT_MIN, False, corrections=(one,))
                    ),
                )
                for one in corrections
            ),
        )
