"""The historian's word on the log of how far it is stored, for whoever acknowledges only what is.

Each historian speaks of its share. Only the newest matters, so what comes while one is on its way is told
in one, and nobody waits for it. One that is lost is made up for by the next: the ticks of ingest are stored,
too, so one comes about every second.
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
"""The topics that messages of devices are on."""

RETRY_S = 0.5
REQUEST_TIMEOUT_MS = 5_000

# A producer that stops waits for what it has not sent; nobody needs that.
STOP_S = 1.0


class PositionPublisher:
    """Tells the positions of the log that is followed. Owned by one task; `run` by another."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._log_id = ""
        self._positions: LogPositions = {}
        self._changed = asyncio.Event()

    def start_log(self, log_id: str, positions: Mapping[tuple[str, int], int]) -> None:
        """Speak of this log from now on, of which so much is stored."""
        self._log_id, self._positions = log_id, {}
        self.on_stored(positions)

    def on_stored(self, reached: Mapping[tuple[str, int], int]) -> None:
        """Learn what was committed."""
        told = {place: offset for place, offset in reached.items() if place[0] in PUBLISHED_TOPICS}
        self._positions.update(told)
        if told:
            self._changed.set()

    async def run(self) -> None:
        """Tell what is new, until cancelled."""
        while True:
            producer = AIOKafkaProducer(**client_options(self._kafka), request_timeout_ms=REQUEST_TIMEOUT_MS)
            try:
                await producer.start()
                await self._publish_changes(producer)
            except (KafkaError, OSError) as error:
                log.debug("how far the log is stored could not be told: %r", error)
            finally:
                with suppress(TimeoutError):
                    await asyncio.wait_for(producer.stop(), STOP_S)
            await asyncio.sleep(RETRY_S)

    async def _publish_changes(self, producer: AIOKafkaProducer) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            positions = tuple((*place, offset) for place, offset in sorted(self._positions.items()))
            word = StoredPositions(LAYOUT_VERSION, self._log_id, positions)
            await producer.send_and_wait(STORED, STORED_POSITIONS.encode(word), partition=0)
