"""Publishes on the log how far it is stored, for an ingest that acknowledges only stored messages.

Each historian publishes the positions of its own partitions. Only the newest position matters: changes during
a publication go into the next one, and nothing waits for it. The next one also replaces a lost one. It comes
about every second, since the ticks of ingest are stored, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import OBSERVATIONS, QUARANTINE, STORED
from storage.stores.log_positions import LogPositions
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.stored_positions import STORED_POSITIONS, StoredPositions

log = logging.getLogger(__name__)

PUBLISHED_TOPICS = frozenset({OBSERVATIONS, QUARANTINE})
"""The topics that hold the messages of devices."""

RETRY_S = 0.5
REQUEST_TIMEOUT_MS = 5_000

# A producer waits for unsent records when it stops; they are no longer needed.
STOP_S = 1.0


class PositionPublisher:
    """Publishes the stored positions of one log. The storing task calls `start_log` and `on_stored`."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._log_id = ""
        self._positions: LogPositions = {}
        self._changed = asyncio.Event()

    def start_log(self, log_id: str, positions: Mapping[tuple[str, int], int]) -> None:
        """Publish the positions of this log from now on, beginning with these."""
        self._log_id, self._positions = log_id, {}
        self.on_stored(positions)

    def on_stored(self, reached: Mapping[tuple[str, int], int]) -> None:
        """Take over positions that were committed."""
        changed = {
            (topic, partition): offset
            for (topic, partition), offset in reached.items()
            if topic in PUBLISHED_TOPICS
        }
        self._positions.update(changed)
        if changed:
            self._changed.set()

    async def run(self) -> None:
        """Publish changed positions until cancelled."""
        while True:
            producer = AIOKafkaProducer(**client_options(self._kafka), request_timeout_ms=REQUEST_TIMEOUT_MS)
            try:
                await producer.start()
                await self._publish_changes(producer)
            except (KafkaError, OSError) as error:
                log.debug(
                    "the stored positions cannot be published: %r",
                    error,
                    extra={"event": "historian.positions_unpublished"},
                )
            finally:
                with suppress(TimeoutError):
                    await asyncio.wait_for(producer.stop(), STOP_S)
            await asyncio.sleep(RETRY_S)

    async def _publish_changes(self, producer: AIOKafkaProducer) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            positions = tuple((*partition, offset) for partition, offset in sorted(self._positions.items()))
            record = StoredPositions(LAYOUT_VERSION, self._log_id, positions)
            await producer.send_and_wait(STORED, STORED_POSITIONS.encode(record), partition=0)
