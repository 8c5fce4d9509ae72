"""The end of the log, and until when everything that was on the log is stored.

Repairs compute from what is stored. A value that the stream has used, but that is not stored yet, would be
missing, and nothing would ask for the repair again. How long storing takes depends on the load, so a repair
waits for positions of the log and not for a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import end_offsets, log_identity
from runtime.kafka.topics import AGGREGATES, ALARMS, OBSERVATIONS, UPDATES, partition_counts
from storage.database import Connection, fetch_rows
from twin.errors import ServiceError

STORED_TOPICS = (OBSERVATIONS, UPDATES, AGGREGATES, ALARMS)
"""The topics that contain points of series, what they follow from, or events of alarms."""


class LogEnd(NamedTuple):
    """The end of the log at a moment."""

    log_id: str
    positions: Mapping[str, int]  #: next offset by topic/partition


class EndingLog(Protocol):
    """A log that tells its end."""

    async def end(self) -> LogEnd:
        """Return the end of the topics that the historian stores. Raises ServiceError without Kafka."""
        ...


async def read_log_end(kafka: Kafka, partitions: int) -> LogEnd:
    """Return the end of the log of a Kafka. Raises ServiceError when it does not answer."""
    counts = partition_counts(partitions)
    wanted = [TopicPartition(topic, number) for topic in STORED_TOPICS for number in range(counts[topic])]
    try:
        log_id = await log_identity(kafka)
        ends = await end_offsets(kafka, wanted)
    except (KafkaError, OSError) as error:
        raise_if_cancelled()
        raise ServiceError(f"Kafka did not return the end of the log: {error!r}") from error
    # A partition without records has no stored position.
    return LogEnd(log_id, {f"{one.topic}/{one.partition}": offset for one, offset in ends.items() if offset})


class StoredUntil:
    """Finds until when everything that was on the log is stored."""

    def __init__(self, log: EndingLog) -> None:
        self._log = log
        self._until: datetime | None = None
        self._awaited: tuple[datetime, LogEnd] | None = None

    async def read(self, connection: Connection, needed: datetime) -> datetime | None:
        """Return that time, by the clock of the database; None while none is known.

        The log is asked for its end only while the time is not after the `needed` one. Raises ServiceError
        without Kafka then, unless an end that was read before is still awaited.
        """
        if self._until is not None and self._until > needed:
            return self._until
        if self._awaited is None:
            now = await read_database_time(connection)
            # After the time: what is on the log by then has a position before the end.
            self._awaited = now, await self._log.end()
        time, end = self._awaited
        is_present, is_stored = await _compare(connection, end)
        if is_stored:
            self._until = time
        if is_stored or not is_present:  # Another log is not stored up to positions of this one.
            self._awaited = None
        return self._until


async def read_database_time(connection: Connection) -> datetime:
    """Return the present time by the clock of the database."""
    ((now,),) = await fetch_rows(connection, "stores/positions/read_time")
    assert isinstance(now, datetime)  # noqa: S101 - timestamptz
    return now


async def _compare(connection: Connection, end: LogEnd) -> tuple[bool, bool]:
    """Return whether the log is the present one, and whether it is stored up to there."""
    places = [place.rsplit("/", 1) for place in end.positions]
    ((is_present, is_stored),) = await fetch_rows(
        connection,
        "stores/positions/compare_positions",
        {
            "log_id": end.log_id,
            "topics": [topic for topic, _ in places],
            "partitions": [int(partition) for _, partition in places],
            "offsets": list(end.positions.values()),
        },
    )
    return is_present, is_stored
