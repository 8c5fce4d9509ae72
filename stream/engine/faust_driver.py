"""Faust's Kafka driver, corrected where it was measured to fall short. What leans on its insides is here.

- Faust asks for fetches that wait 1.5 s; until one is answered the consumer cannot seek, and some brokers
  (Tansu) look again only after half of it. Here they wait as everywhere.
- Tansu reports about the base offset of the last batch as the end of a partition, so a
  recovery would stop short. The true end is taken from a Fetch response, on every broker.
- Faust takes offsets that it did not see for a gap in the log, and commits past them. The topics read here
  have no gaps: what was not seen got lost on the way here, and is read again.
- After a seek Faust goes on handing over what it had fetched before, takes its offsets for read, and drops in
  silence what the seek was for when it comes. What is not yet the goal of a seek is passed over here.
- Where a partition is lost while its records are taken over, aiokafka raises KeyError, and Faust gives up.
  Here those records are not taken, and holes are sought back.
- Faust starts reading at what it committed. In one of many two-worker rebalances it had committed past
  records that nobody processed. Here the checkpoint's position decides instead.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from time import monotonic
from typing import Any, NamedTuple

import uvloop
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime.kafka.access import Kafka
from runtime.kafka.consumer import FETCH_MAX_WAIT_MS, end_offsets

log = logging.getLogger(__name__)

# A goal that has not come by then is gone from the log; the worker then sees the hole, and judges it.
SEEK_WAIT_S_MAX = 5.0


class _SeekTarget(NamedTuple):
    """The offset that a seek was for, and until when it is waited for."""

    offset: int
    deadline: float


class FaustConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that talks to Kafka, with short fetches and true ends."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._fetch_records(*args, **options)
        except KeyError as error:
            # Dropped by a rebalance in the other thread meanwhile; what else was taken here is a hole now.
            log.warning("fetched records of %s are gone", error)
            return {}

    async def _highwaters(self, partitions: Iterable[Any]) -> Mapping[Any, int]:
        wanted = list(partitions)
        if not wanted:
            return {}
        kafka = self.consumer.kafka
        found = await end_offsets(kafka, [TopicPartition(one.topic, one.partition) for one in wanted])
        return {one: found[TopicPartition(one.topic, one.partition)] for one in wanted}


class Consumer(driver.Consumer):  # type: ignore[misc]
    """The consumer, which starts where `start_of` says for the partitions of `positioned_topics`."""

    #: where the log is
    kafka: Kafka
    #: the topics whose partitions are positioned by checkpoint
    positioned_topics: frozenset[str]
    #: the offset to read a partition of a topic from; 0 for the beginning
    start_of: Callable[[str, int], int]
    #: called each time that the assignment is positioned and reading begins
    on_positioned: Callable[[], Awaitable[None]]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._goals: dict[Any, _SeekTarget] = {}

    def _new_consumer_thread(self) -> FaustConsumerThread:
        return FaustConsumerThread(
            self, loop=self.loop, thread_loop=uvloop.new_event_loop(), beacon=self.beacon
        )

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.positioned_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109 - Faust's
        """Yield fetched messages; of a partition that was just sought, none before its goal has come."""
        async for tp, message in super().getmany(timeout):
            goal = self._goals.get(tp)
            if goal is not None:
                if message.offset != goal.offset and monotonic() < goal.deadline:
                    continue
                del self._goals[tp]
                # A message that was under way during the seek may have moved this on.
                self._read_offset[tp] = message.offset or None
            yield tp, message

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, and where a checkpoint knows better, to its position."""
        self._goals.clear()
        await super().perform_seek()
        mine = [tp for tp in self.assignment() if tp.topic in self.positioned_topics]
        earliest = await self.earliest_offsets(*mine) if mine else {}
        for tp in mine:
            start = max(self.start_of(tp.topic, tp.partition), earliest.get(tp) or 0)
            await self._seek_to(tp, start)
            # Faust commits only what follows its idea of the committed offset without a gap.
            self._committed_offset[tp] = start or None
        await self.on_positioned()

    async def seek_back(self, topic: str, partition: int, offset: int) -> bool:
        """Read a partition of a positioned topic again from `offset`; False when the log begins later."""
        tp = TP(topic, partition)
        if tp not in self.assignment():
            return True
        earliest = await self.earliest_offsets(tp)
        first = earliest.get(tp) or 0
        if first > offset:
            self._committed_offset[tp] = first  # else nothing would be committed any more
            return False
        await self._seek_to(tp, offset)
        return True

    async def _seek_to(self, tp: Any, offset: int) -> None:
        self._goals[tp] = _SeekTarget(offset, monotonic() + SEEK_WAIT_S_MAX)
        await self.seek(tp, offset)


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's Kafka transport with the consumer above; `configure` makes the class for one app."""

    Consumer = Consumer

    @classmethod
    def configured(
        cls,
        kafka: Kafka,
        topics: frozenset[str],
        start_of: Callable[[str, int], int],
        on_positioned: Callable[[], Awaitable[None]],
    ) -> type[Transport]:
        """Return a transport class whose consumers are positioned by `start_of`."""
        consumer = type(
            "PositionedConsumer",
            (Consumer,),
            {
                "kafka": kafka,
                "positioned_topics": topics,
                "start_of": staticmethod(start_of),
                "on_positioned": staticmethod(on_positioned),
            },
        )
        return type("PositionedTransport", (cls,), {"Consumer": consumer})
