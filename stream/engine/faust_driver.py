"""Faust's Kafka driver with corrections for faults that were measured. Code that uses its internals is here.

- Faust requests fetches that wait 1.5 s. The consumer cannot seek until a fetch is answered, and some brokers
  (Tansu) look for new records only after half of that time. Here fetches wait as long as everywhere else.
- Tansu reports about the base offset of the last batch as the end of a partition, so a recovery would stop
  short. Here the true end is taken from a Fetch response, with every broker.
- Faust takes offsets that it did not see for a gap in the log, and commits beyond them. The topics read here
  have no gaps: such records were lost on their way to this process, and are read again.
- After a seek, Faust still delivers what it had fetched before, and counts those offsets as read. It then
  drops the record that the seek was for without a message. Here records are skipped until the target comes.
- When a partition is lost while its records are being fetched, aiokafka raises KeyError and Faust gives up.
  Here those records are not delivered; the worker seeks back to the hole.
- Faust begins to read at the offset that it committed. In one of many rebalances of two workers it had
  committed beyond records that nobody processed. Here the position of the checkpoint decides.
- Faust does not tell whether its tables are complete: in a rebalance it has the partitions of the next
  assignment while the tables are those of the last one, and it seeks at such moments, too. Here rebalances
  are counted, and a table is complete if it was recovered for the last of them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

import uvloop
from aiokafka import TopicPartition
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime.kafka.access import Kafka
from runtime.kafka.consumer import FETCH_MAX_WAIT_MS, end_offsets

log = logging.getLogger(__name__)

# A target that has not come by then is no longer in the log; the worker then finds the hole and decides.
SEEK_WAIT_S_MAX = 5.0


class _SeekTarget(NamedTuple):
    """The offset of a seek, and the monotonic time until which earlier fetches are skipped."""

    offset: int
    deadline: float


@dataclass(frozen=True, slots=True)
class ReadPositions:
    """Where the partitions of some topics are read from."""

    kafka: Kafka
    topics: frozenset[str]
    start_offset: Callable[[str, int], int]  #: of a partition of a topic; 0 for the beginning


class FaustConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that communicates with Kafka, with short fetches and true end offsets."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._fetch_records(*args, **options)
        except KeyError as error:
            # A rebalance in the other thread dropped the partition; the other records become a hole.
            log.warning(
                "fetched records of %s are lost in a rebalance", error, extra={"event": "stream.fetch_lost"}
            )
            return {}

    async def _highwaters(self, partitions: Iterable[Any]) -> Mapping[Any, int]:
        wanted = list(partitions)
        if not wanted:
            return {}
        kafka = self.consumer.transport.positions.kafka
        offsets = await end_offsets(kafka, [TopicPartition(tp.topic, tp.partition) for tp in wanted])
        return {tp: offsets[TopicPartition(tp.topic, tp.partition)] for tp in wanted}


class PositionedConsumer(driver.Consumer):  # type: ignore[misc]
    """The consumer, which reads the topics of `ReadPositions` from their start offsets."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._targets: dict[Any, _SeekTarget] = {}

    @property
    def _positions(self) -> ReadPositions:
        positions: ReadPositions = self.transport.positions
        return positions

    def _new_consumer_thread(self) -> FaustConsumerThread:
        return FaustConsumerThread(
            self, loop=self.loop, thread_loop=uvloop.new_event_loop(), beacon=self.beacon
        )

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self._positions.topics:
            await super()._add_gap(tp, offset_from, offset_to)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109 - Faust's
        """Yield fetched messages; after a seek, none of that partition before the target has come."""
        async for tp, message in super().getmany(timeout):
            target = self._targets.get(tp)
            if target is not None:
                if message.offset != target.offset and monotonic() < target.deadline:
                    continue
                del self._targets[tp]
                # A message that arrived during the seek may have advanced this.
                self._read_offset[tp] = message.offset or None
            yield tp, message

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, and then to the start offsets of the positioned topics."""
        self._targets.clear()
        await super().perform_seek()
        positions = self._positions
        positioned = [tp for tp in self.assignment() if tp.topic in positions.topics]
        earliest = await self.earliest_offsets(*positioned) if positioned else {}
        for tp in positioned:
            start = max(positions.start_offset(tp.topic, tp.partition), earliest.get(tp) or 0)
            await self._seek_to(tp, start)
            # Faust commits only offsets that follow its committed offset without a gap.
            self._committed_offset[tp] = start or None

    async def seek_back(self, topic: str, partition: int, offset: int) -> bool:
        """Read a positioned partition again from `offset`; return False if the log begins later."""
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
        self._targets[tp] = _SeekTarget(offset, monotonic() + SEEK_WAIT_S_MAX)
        await self.seek(tp, offset)


class PositionedTransport(driver.Transport):  # type: ignore[misc]
    """Faust's Kafka transport with the consumer above."""

    Consumer = PositionedConsumer

    def __init__(self, *args: Any, positions: ReadPositions, **options: Any) -> None:
        super().__init__(*args, **options)
        self.positions = positions


class CountedRecovery(Recovery):  # type: ignore[misc]
    """The recovery of the tables after each rebalance, which knows for which one they are complete."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._assigned_in = self._recovered_in = 0  # numbers of rebalances; the first is 1

    @property
    def is_complete(self) -> bool:
        """Whether the tables have what the changelog has for the present assignment."""
        # Faust counts a rebalance before any of its partitions is revoked or assigned.
        is_complete: bool = 0 < self._recovered_in == self.app.rebalancing_count
        return is_complete

    async def on_rebalance(
        self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0
    ) -> None:
        """Begin the recovery for a new assignment, unless it is over already."""
        rebalance = self.app.rebalancing_count
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        if generation_id == self._generation_id:
            self._assigned_in = rebalance

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Let records come again, the tables being complete."""
        if generation_id == self._generation_id:
            self._recovered_in = self._assigned_in
        await super().on_recovery_completed(generation_id)


class CountedTables(TableManager):  # type: ignore[misc]
    """The tables of the app, with the recovery above."""

    _recovery: CountedRecovery | None = None

    @property
    def recovery(self) -> CountedRecovery:
        """The recovery of these tables."""
        if self._recovery is None:
            self._recovery = CountedRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
