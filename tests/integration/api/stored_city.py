"""A database with the city of these tests, and functions that fill it."""

from __future__ import annotations

from typing import NamedTuple

from runtime.kafka import topics
from storage.database import Connection
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.historian.writers import update_writer
from storage.stores.log_positions import move_positions, read_positions
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.wire.messages import Update, UpdateKind


class StoredCity(NamedTuple):
    """A database with the city."""

    dsn: str
    model: CityModel
    connection: Connection

    def datastream(self, entity: str, property: str = "pm2_5") -> int:
        return self.model.datastreams_of(entity, property)[0].id

    async def remember(self, log_id: str, offsets: dict[int, int], *updates: Update) -> None:
        """Store updates like the historian."""
        async with self.connection.transaction():
            await update_writer.create_state_staging(self.connection)
            await update_writer.write_property_states(self.connection, updates)
            states = [one for one in updates if one.observation]
            await update_writer.write_datastream_states(self.connection, states)
            reached = {(topics.UPDATES, partition): offset for partition, offset in offsets.items()}
            before = await read_positions(self.connection, log_id)
            assert await move_positions(self.connection, log_id, before, reached)
        await self.connection.commit()


def published_update(
    entity: str, name: str, revision: int, time: Instant, value: float, *, count: int = 12
) -> Update:
    """Return the update of a derived value."""
    return Update(entity, name, revision, value, time, time, 0, (), None, UpdateKind.INDICATOR, count=count)


async def store_records(stored: StoredCity, *records: tuple[str, int, bytes]) -> None:
    """Store records of the log, each (topic, partition, value), like the historian."""
    batch = LogBatch("log")
    for offset, (topic, partition, value) in enumerate(records):
        batch.add(LogRecord(topic, partition, offset, 0, value))
    historian = BatchWriter(stored.dsn, HistorianMetrics())
    try:
        await historian.read_positions("log")
        await historian.store(batch)
    finally:
        await historian.close()
