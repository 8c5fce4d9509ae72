"""Kafka as repairs of alarms use it: the end of the log, and corrections for the alarm stage."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.kafka.access import Kafka
from runtime.kafka.topics import ALARM_INPUTS
from storage.maintenance.log_end import LogEnd, read_log_end
from storage.maintenance.log_sender import RepairRecord, send_records
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.messages import ALARM_INPUTS as ALARM_INPUTS_CODEC
from twin.alarms.messages import AlarmInputBatch
from twin.instant import INSTANT_MIN
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import partition_of


class KafkaAlarmInputs:
    """The topic `alarm-inputs` and the end of the log, on a Kafka."""

    def __init__(self, kafka: Kafka, partitions: int) -> None:
        self._kafka = kafka
        self._partitions = partitions

    async def end(self) -> LogEnd:
        """Return the end of the topics that the historian stores. Raises ServiceError without Kafka."""
        return await read_log_end(self._kafka, self._partitions)

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
