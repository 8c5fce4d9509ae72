"""Repairs of alarms on Kafka: the end of the log, and corrections for the alarm stage."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer

from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from runtime.kafka.topics import create_topics, partition_counts
from storage.maintenance.alarm_inputs_log import KafkaAlarmInputs
from tests.support.brokers.kafka_reader import read_until
from tests.support.cities.alarm_city import bound_rule, high_water_rule, point
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.condition_state import ConditionState
from twin.alarms.messages import ALARM_INPUTS
from twin.errors import ServiceError
from twin.wire.messages import partition_of

PARTITIONS = 4


async def test_the_end_of_the_log_and_corrections_are_those_of_kafka(kafka: str) -> None:
    await create_topics(kafka, partition_counts(PARTITIONS))
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        await producer.send_and_wait(topics.OBSERVATIONS, b"any", partition=2)
    finally:
        await producer.stop()
    log = KafkaAlarmInputs(kafka, PARTITIONS)
    end = await log.end()
    assert end.log_id == await log_identity(kafka)
    assert end.positions == {"observations/2": 1}
    bound = bound_rule(high_water_rule())
    condition = ConditionState.initial(bound)
    for minute in range(3):
        condition.on_points(0, [point(minute * 60_000_000, -0.3)], bound, 0)
    correction = AlarmCorrection("high-water", "canal", 1, 0, None, 0, 0, 0, 0, (), condition)
    await log.send([correction])
    (record,) = await read_until(kafka, topics.ALARM_INPUTS, PARTITIONS, bool)
    assert record.partition == partition_of("canal", PARTITIONS)
    assert ALARM_INPUTS.decode(record.value).corrections == (correction,)


async def test_without_kafka_repairs_wait(free_port: int) -> None:
    log = KafkaAlarmInputs(f"127.0.0.1:{free_port}", PARTITIONS)
    with pytest.raises(ServiceError):
        await log.send([])
