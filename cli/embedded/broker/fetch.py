"""Fetch requests: return records at once, or wait for enough new ones until a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import errors

from cli.embedded.broker.partition_log import PartitionLog
from cli.embedded.broker.topics import BrokerTopics

OUT_OF_RANGE = errors.OffsetOutOfRangeError.errno
UNKNOWN_PARTITION = errors.UnknownTopicOrPartitionError.errno


class PartitionFetch(NamedTuple):
    """A request for records of one partition, from an offset."""

    topic: str
    partition: int
    offset: int
    bytes_max: int


class FetchedPartition(NamedTuple):
    """The records of one partition that answer a request."""

    request: PartitionFetch
    error: int
    end: int  #: the offset after the last record of the partition; -1 with an error
    data: bytes = b""


async def fetch_partitions(
    topics: BrokerTopics,
    requests: Iterable[PartitionFetch],
    *,
    wait_s: float,
    bytes_min: int,
    bytes_max: int,
) -> list[FetchedPartition]:
    """Return records of each partition; wait up to `wait_s` for `bytes_min` bytes, unless one fails."""
    requested = list(requests)
    fetched = _read_all(topics, requested, bytes_max)
    if _is_enough(fetched, bytes_min) or wait_s <= 0:
        return fetched
    logs = [log for one in requested if (log := topics.find(one.topic, one.partition)) is not None]
    appended = asyncio.Event()
    for log in logs:
        log.add_waiter(appended)
    try:
        async with asyncio.timeout(wait_s):
            while not _is_enough(fetched, bytes_min):
                appended.clear()
                await appended.wait()
                fetched = _read_all(topics, requested, bytes_max)
    except TimeoutError:
        pass
    finally:
        for log in logs:
            log.remove_waiter(appended)
    return fetched


def _is_enough(fetched: list[FetchedPartition], bytes_min: int) -> bool:
    return sum(len(one.data) for one in fetched) >= bytes_min or any(one.error for one in fetched)


def _read_all(topics: BrokerTopics, requests: list[PartitionFetch], bytes_max: int) -> list[FetchedPartition]:
    fetched = []
    for request in requests:
        log = topics.find(request.topic, request.partition)
        partition = _read(log, request, bytes_max)
        bytes_max -= len(partition.data)
        fetched.append(partition)
    return fetched


def _read(log: PartitionLog | None, request: PartitionFetch, bytes_max: int) -> FetchedPartition:
    if log is None:
        return FetchedPartition(request, UNKNOWN_PARTITION, -1)
    if not log.start <= request.offset <= log.end:
        return FetchedPartition(request, OUT_OF_RANGE, -1)
    if request.offset == log.end or bytes_max <= 0:
        return FetchedPartition(request, 0, log.end)
    data = log.read(request.offset, min(request.bytes_max, bytes_max))
    return FetchedPartition(request, 0, log.end, data)
