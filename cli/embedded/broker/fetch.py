"""Fetches: what was asked for at once where it is there, or when it comes, or what there is after a while."""

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
    """From where on a partition is read, and how much of it."""

    topic: str
    partition: int
    offset: int
    bytes_max: int


class FetchedPartition(NamedTuple):
    """What a partition holds from there on."""

    request: PartitionFetch
    error: int
    end: int  #: the offset after the last record, -1 in an error
    data: bytes = b""


async def fetch_partitions(
    topics: BrokerTopics, wanted: Iterable[PartitionFetch], *, wait_s: float, bytes_min: int, bytes_max: int
) -> list[FetchedPartition]:
    """Return what is there; wait up to `wait_s` for `bytes_min` of it, unless something is wrong."""
    asked = list(wanted)
    found = _look(topics, asked, bytes_max)
    if _is_enough(found, bytes_min) or wait_s <= 0:
        return found
    logs = [log for one in asked if (log := topics.find(one.topic, one.partition)) is not None]
    event = asyncio.Event()
    for log in logs:
        log.add_waiter(event)
    try:
        async with asyncio.timeout(wait_s):
            while not _is_enough(found, bytes_min):
                event.clear()
                await event.wait()
                found = _look(topics, asked, bytes_max)
    except TimeoutError:
        pass
    finally:
        for log in logs:
            log.remove_waiter(event)
    return found


def _is_enough(found: list[FetchedPartition], bytes_min: int) -> bool:
    return sum(len(one.data) for one in found) >= bytes_min or any(one.error for one in found)


def _look(topics: BrokerTopics, asked: list[PartitionFetch], bytes_max: int) -> list[FetchedPartition]:
    found = []
    for one in asked:
        log = topics.find(one.topic, one.partition)
        result = _read(log, one, bytes_max)
        bytes_max -= len(result.data)
        found.append(result)
    return found


def _read(log: PartitionLog | None, one: PartitionFetch, bytes_max: int) -> FetchedPartition:
    if log is None:
        return FetchedPartition(one, UNKNOWN_PARTITION, -1)
    if not log.start <= one.offset <= log.end:
        return FetchedPartition(one, OUT_OF_RANGE, -1)
    if one.offset == log.end or bytes_max <= 0:
        return FetchedPartition(one, 0, log.end)
    return FetchedPartition(one, 0, log.end, log.read(one.offset, min(one.bytes_max, bytes_max)))
