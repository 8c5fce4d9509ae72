"""The historian publishes its stored positions on the log, also after a restart."""

from __future__ import annotations

from functools import partial

from aiokafka.structs import ConsumerRecord

from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from tests.support.brokers.kafka_reader import read_until
from tests.support.database.historian import (
    historian_settings,
    make_observations,
    observation_records,
    quarantined_message,
    running_historian,
    stored_observations,
    write_records,
)
from twin.wire.messages import QUARANTINE
from twin.wire.stored_positions import STORED_POSITIONS


async def test_stored_positions_are_published_and_published_again_after_a_restart(
    kafka: str, database: str
) -> None:
    await write_records(kafka, topics.OBSERVATIONS, observation_records(make_observations(400)))
    await write_records(kafka, topics.QUARANTINE, [QUARANTINE.encode(quarantined_message(1))])
    wanted = {("observations", number): 10 for number in range(4)} | {("quarantine", 0): 1}
    log_id = await log_identity(kafka)

    def were_published(found: list[ConsumerRecord], times: int) -> bool:
        words = [STORED_POSITIONS.decode(record.value) for record in found]
        assert {word.log for word in words} <= {log_id}
        whole = [{(topic, one): end for topic, one, end in word.positions} == wanted for word in words]
        return whole.count(True) >= times

    for times in (1, 2):
        async with running_historian(historian_settings(kafka, database)):
            await read_until(kafka, topics.STORED, 1, partial(were_published, times=times))
            assert len(await stored_observations(database)) == 400
