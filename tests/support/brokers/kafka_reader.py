"""Reads a topic of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from runtime.kafka.consumer import new_consumer

READ_TIMEOUT_S = 120.0


async def read_until(
    bootstrap: str,
    topic: str,
    partitions: int,
    enough: Callable[[list[ConsumerRecord]], bool],
    timeout_s: float = READ_TIMEOUT_S,
) -> list[ConsumerRecord]:
    """Return the records of a topic from its beginning, as soon as `enough` holds for them."""
    consumer = new_consumer(bootstrap)
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        wanted = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(wanted)
        for partition in wanted:
            consumer.seek(partition, 0)
        async with asyncio.timeout(timeout_s):
            while not enough(found):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found.extend(records)
        return found
    except TimeoutError:
        raise AssertionError(f"{topic} held {len(found)} records after {timeout_s:.0f} s") from None
    finally:
        await consumer.stop()
