"""Consumers of the log: its identity, fetch policies, and the first and end offsets of partitions.

The identity of the log (Kafka's cluster id) is part of every stored offset and cursor: the embedded broker
keeps its log in memory, and a restarted one starts again at offset 0 under a new identity.

Not every broker with Kafka's protocol returns the end of a partition: Tansu's ListOffsets(LATEST) returns the
base offset of the last batch. So end offsets are read from a Fetch response, which is correct everywhere and
costs one more round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.admin import administer
from twin.errors import ServiceError

FETCH_MAX_WAIT_MS = 20
"""How long the broker may hold a fetch without records; the consumer waits as long."""


class FetchPolicy(NamedTuple):
    """When the broker answers a fetch: as soon as it has `bytes_min`, or after `wait_ms`."""

    wait_ms: int
    bytes_min: int = 1


FETCH_PROMPTLY = FetchPolicy(FETCH_MAX_WAIT_MS)
"""Each record at once: for roles between a sensor and a screen."""

FETCH_IN_BULK = FetchPolicy(100, 1 << 16)
"""Many records at a time, up to a tenth of a second later: each fetch costs the broker and the reader."""

_FETCH_AT_ONCE = FetchPolicy(20)  # also without records: to read end offsets

CONNECT_TIMEOUT_S = 30.0
IDENTITY_CHECK_S = 1.0
HIGHWATER_TIMEOUT_S = 5.0


async def log_identity(kafka: Kafka, timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Return the cluster id of the Kafka at `kafka`.

    Raises ServiceError when it does not answer within `timeout_s`.
    """

    async def read_cluster_id(client: AIOKafkaAdminClient) -> str:
        return str((await client.describe_cluster())["cluster_id"])

    return await administer(kafka, read_cluster_id, purpose="answer", timeout_s=timeout_s)


async def wait_for_another_log(
    kafka: Kafka,
    log_id: str,
    *,
    timeout_s: float = CONNECT_TIMEOUT_S,
    on_check: Callable[[ServiceError | None], None] = lambda _error: None,
) -> str:
    """Check the identity of the log every second; return the new one once it is no longer `log_id`.

    `on_check` gets the error of each check that Kafka did not answer within `timeout_s`, and None otherwise.
    """
    while True:
        await asyncio.sleep(IDENTITY_CHECK_S)
        try:
            identity = await log_identity(kafka, timeout_s)
        except ServiceError as error:
            on_check(error)
            continue
        on_check(None)
        if identity != log_id:
            return identity


class LogConsumer(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka has no types
    """A consumer whose `stop` raises CancelledError only if its caller is cancelled.

    That of aiokafka cancels its fetches, and raises the CancelledError of one that waits before it tries
    again. The caller's task then ends as if it were cancelled, which no task group reports.
    """

    async def stop(self) -> None:
        """Close the connections."""
        try:
            await super().stop()
        except asyncio.CancelledError:
            await self._client.close()
            raise_if_cancelled()


def new_consumer(
    kafka: Kafka, *, fetch_policy: FetchPolicy = FETCH_PROMPTLY, **options: object
) -> LogConsumer:
    """Return a consumer without a group; the caller starts, assigns and stops it."""
    return LogConsumer(
        **client_options(kafka),
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=fetch_policy.wait_ms,
        fetch_min_bytes=fetch_policy.bytes_min,
        **options,
    )


async def first_offsets(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the first offset of each partition that the log still holds."""
    return dict(await consumer.beginning_offsets(list(partitions)))


async def end_offsets(kafka: Kafka, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the offset after the last record of each partition.

    Raises ServiceError when the broker does not return them within `HIGHWATER_TIMEOUT_S`.
    """
    wanted = list(partitions)
    consumer = new_consumer(kafka, fetch_policy=_FETCH_AT_ONCE)
    try:
        await consumer.start()
        reported = await consumer.end_offsets(wanted)
        consumer.assign(wanted)
        for partition in wanted:
            consumer.seek(partition, reported[partition])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HIGHWATER_TIMEOUT_S
        while any(consumer.highwater(partition) is None for partition in wanted):
            if loop.time() > deadline:
                raise ServiceError(f"Kafka at {kafka} did not return the end offsets of {wanted}")
            await consumer.getmany(timeout_ms=2 * _FETCH_AT_ONCE.wait_ms)
        return {one: max(reported[one], consumer.highwater(one)) for one in wanted}
    finally:
        await consumer.stop()
        raise_if_cancelled()
