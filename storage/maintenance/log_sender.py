"""Sends what repairs have found to the log, for the stream to take it over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import batched
from typing import NamedTuple, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import AREA_INPUTS, OBSERVATIONS
from storage.maintenance.log_end import LogEnd, read_log_end
from twin.errors import ServiceError
from twin.instant import INSTANT_MIN
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AREA_INPUTS as AREA_INPUTS_CODEC
from twin.wire.messages import OBSERVATIONS as OBSERVATIONS_CODEC
from twin.wire.messages import AreaInput, AreaInputBatch, ObservationBatch, SeriesPoint, partition_of

ITEMS_PER_RECORD_MAX = 500
"""The most inputs or points of one record: about 50 kB."""


T = TypeVar("T")


class RepairRecord(NamedTuple):
    """A record to send."""

    topic: str
    partition: int
    value: bytes


async def send_records(kafka: Kafka, records: Iterable[RepairRecord]) -> None:
    """Send records; return when they are on the log. Raises ServiceError when Kafka does not take them."""
    # Repairs are rare: a producer kept open for them would log errors whenever Kafka is unavailable.
    producer = AIOKafkaProducer(**client_options(kafka), acks="all")
    try:
        await producer.start()
        sent = [await producer.send(one.topic, one.value, partition=one.partition) for one in records]
        await asyncio.gather(*sent)
    except (KafkaError, OSError) as error:
        raise_if_cancelled()
        raise ServiceError(f"Kafka did not take what was repaired: {error!r}") from error
    finally:
        await producer.stop()


class KafkaRepairLog:
    """The topics on which the stream is told what repairs have found, on a Kafka."""

    def __init__(self, kafka: Kafka, partitions: int) -> None:
        self._kafka = kafka
        self._partitions = partitions

    async def end(self) -> LogEnd:
        """Return the end of the topics that the historian stores. Raises ServiceError without Kafka."""
        return await read_log_end(self._kafka, self._partitions)

    async def send_area_inputs(self, inputs: Sequence[AreaInput]) -> None:
        """Send inputs of areas; return when they are on the log."""
        await send_records(self._kafka, repaired_area_records(inputs, self._partitions))

    async def send_points(self, points: Sequence[SeriesPoint]) -> None:
        """Send points of series of entities; return when they are on the log."""
        await send_records(self._kafka, point_records(points, self._partitions))


def point_records(points: Sequence[SeriesPoint], partitions: int) -> list[RepairRecord]:
    """Return the records of points of entities; the time of the log does not advance by them."""
    return [
        RepairRecord(
            OBSERVATIONS,
            partition,
            OBSERVATIONS_CODEC.encode(ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, points=part)),
        )
        for partition, part in _parts(points, lambda one: one.entity, partitions)
    ]


def repaired_area_records(inputs: Sequence[AreaInput], partitions: int) -> list[RepairRecord]:
    """Return the records of what areas are told; the time of the log does not advance by them."""
    return [
        RepairRecord(
            AREA_INPUTS,
            partition,
            AREA_INPUTS_CODEC.encode(AreaInputBatch(LAYOUT_VERSION, INSTANT_MIN, part, repeated=True)),
        )
        for partition, part in _parts(inputs, lambda one: one.area, partitions)
    ]


def _parts(
    items: Sequence[T], entity_of: Callable[[T], str], partitions: int
) -> Iterator[tuple[int, tuple[T, ...]]]:
    """Yield the content of each record, and its partition: that of the entity of each item."""
    by_partition: defaultdict[int, list[T]] = defaultdict(list)
    for one in items:
        by_partition[partition_of(entity_of(one), partitions)].append(one)
    for partition, found in sorted(by_partition.items()):
        for part in batched(found, ITEMS_PER_RECORD_MAX):
            yield partition, part
