"""When the clock of ingest steps forwards or back, no message is lost and log time only increases."""

from __future__ import annotations

import asyncio
import json
import random
import uuid

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from prometheus_client import CollectorRegistry

from ingest.metrics import IngestMetrics
from ingest.service import IngestService
from ingest.settings import IngestSettings
from runtime.clock import system_clock
from runtime.kafka.consumer import end_offsets
from storage.database import connect
from storage.stores.ledger import read_balance
from tests.integration.ingest.ingest_role import NOISE_TOPIC, all_messages, created_session, decoded_batches
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.small_cities import small_city
from tests.support.database.historian import fetch_rows, historian_settings, running_historian, until_stored
from twin.instant import DAY, HOUR, SECOND, Duration, Instant, format_instant

EACH = 50
DEADLINE_S = 60
LOOK_S = 0.01
SEED = 20261126
START: Instant = 1_795_000_000 * SECOND

# After a step back of 30 days, device times are far in the future: quarantined, and replayable.
STEPS: tuple[Duration, ...] = (0, HOUR, -HOUR, 200 * SECOND, -SECOND, 30 * DAY, -30 * DAY)
COUNT = 2 * len(STEPS) * EACH


class SteppedClock:
    """A clock that a test sets."""

    step: Duration = 0

    def __call__(self) -> Instant:
        return system_clock() + self.step


def payload(number: int) -> bytes:
    document = {"time": format_instant(START + number * SECOND), "values": {"noise_level": 40 + number % 50}}
    return json.dumps(document).encode()


async def until_received(registry: CollectorRegistry, count: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (registry.get_sample_value("livetwin_ingest_messages_total") or 0) < count:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


async def test_each_message_is_stored_or_quarantined_whatever_the_clock_does(
    mqtt: tuple[str, int], kafka: str, database: str
) -> None:
    async with created_session(mqtt, kafka):
        pass
    begin = await end_offsets(kafka, [TopicPartition("observations", partition) for partition in range(4)])
    clock, dice = SteppedClock(), random.Random(SEED)
    options = IngestSettings(mqtt_host=mqtt[0], mqtt_port=mqtt[1], kafka=kafka)
    registry = CollectorRegistry()
    ingest = IngestService(options, small_city(), clock, IngestMetrics(registry), uuid.uuid4().hex)
    running = asyncio.create_task(ingest.run())
    sent = [payload(number) for number in range(COUNT)]
    try:
        for number, clock.step in enumerate(dice.sample(STEPS * 2, 2 * len(STEPS))):
            part = sent[number * EACH : (number + 1) * EACH]
            await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, one) for one in part])
            await until_received(registry, (number + 1) * EACH)
        clock.step = 0
        await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, payload(COUNT))])
        records = await read_until(kafka, "observations", 4, has_last)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    for partition, first in begin.items():
        ours = [one for one in records if one.partition == partition.partition and one.offset >= first]
        times = [one.time for one in decoded_batches(ours)]
        assert times == sorted(set(times))
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    async with await connect(database, role="test") as connection:
        books = await read_balance(connection)
    (refused,) = (
        await fetch_rows(database, "SELECT count(*) FROM quarantine WHERE reason = 'time-in-future'")
    )[0]
    assert books.balances, books
    assert books.counts.new == books.stored
    assert books.stored + refused == COUNT + 2, books  # the last one, and the marker of the session
    assert refused == 2 * EACH


def has_last(records: list[ConsumerRecord]) -> bool:
    return any(kept == payload(COUNT) for _, _, kept in all_messages(records))
