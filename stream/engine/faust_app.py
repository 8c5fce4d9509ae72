"""The Faust app: topics, checkpoint table, agents and settings, around one `StreamWorker` for each topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.types import TP
from faust.types.auth import CredentialsT
from yarl import URL

from runtime.kafka.access import KafkaAccess
from runtime.telemetry.tracing import RecordHeaders
from stream.engine.faust_driver import CountedTables, PositionedTransport, ReadPositions
from stream.engine.transport import Confirmation
from stream.engine.worker import StreamWorker
from stream.settings import StreamSettings

log = logging.getLogger(__name__)

# A buffered record contains up to 2,000 observations; a few records keep the agent busy.
BUFFER_RECORDS_MAX = 256

COMMIT_INTERVAL_S = 0.5

# A half-open connection brings no answer and no end: after this time it is given up. Faust's own bounds are
# 90 s and 20 minutes.
REQUEST_S_MAX = 15.0
# A record without confirmation fails after this time, and the process restarts from its checkpoint. Longer
# than Kafka takes to elect other leaders.
SEND_S_MAX = 60.0

# The size of a batch for one partition while a request is under way. Faust's 16 KiB are five records of
# updates, and the sixth would wait for the answer.
BATCH_BYTES_MAX = 512 * 1024

# An entry of a checkpoint is one record: a bucket with 5,000 datastreams, or an area with inputs of 100,000
# entities. Kafka's own bound is a megabyte.
CHECKPOINT_BYTES_MAX = 16 * 1024 * 1024


class FaustRecord:
    """An event of Faust as the worker's input record."""

    __slots__ = ("_event", "offset", "partition", "value")

    def __init__(self, event: Any) -> None:
        self._event = event
        self.partition: int = event.message.partition
        self.offset: int = event.message.offset
        self.value: bytes = event.value

    @property
    def headers(self) -> RecordHeaders:
        """Return the Kafka headers of the record."""
        headers: RecordHeaders = self._event.message.headers or ()
        return headers

    def acknowledge(self) -> None:
        """Let Faust commit this record's offset."""
        self._event.ack()


class FaustTransport:
    """Faust's app as the worker's transport."""

    def __init__(self, app: Any, table: Any) -> None:
        self._app = app
        self._table = table

    def owns(self, topic: str, partition: int) -> bool:
        """Whether the partition is assigned to this process."""
        return TP(topic, partition) in self._app.consumer.assignment()

    async def send(
        self, topic: str, partition: int, value: bytes, headers: RecordHeaders = ()
    ) -> Confirmation:
        """Send a record to a partition, and return its confirmation."""
        confirmation: Confirmation = await self._app.producer.send(
            topic, key=None, value=value, partition=partition, timestamp=None, headers=headers or None
        )
        return confirmation

    def write_checkpoint(self, partition: int, key: bytes, value: bytes) -> Confirmation:
        """Write to the table's changelog, in the partition of the input, and to its store."""
        # Table[key] = value would use the partition of the event that is being processed; a checkpoint is
        # written between events.
        confirmation: Confirmation = self._table.send_changelog(partition, key, value)
        self._table.data[key] = value
        return confirmation

    def is_recovered(self) -> bool:
        """Whether the table is complete."""
        is_complete: bool = self._app.tables.recovery.is_complete
        return is_complete

    def read_checkpoint(self, key: bytes) -> bytes | None:
        """Read from the table's store."""
        value: bytes | None = self._table.data.get(key)
        return value

    async def seek_back(self, topic: str, partition: int, offset: int) -> bool:
        """Read again from an offset."""
        reached: bool = await self._app.consumer.seek_back(topic, partition, offset)
        return reached


def create_faust_app(
    settings: StreamSettings,
    kafka: KafkaAccess,
    create_workers: Callable[[FaustTransport], Mapping[str, StreamWorker]],
    on_failure: Callable[[BaseException], None],
) -> Any:
    """Return a Faust app that feeds a worker for each topic.

    `on_failure` is called with the error of a worker; the app then processes no more records.
    """
    app = _new_app(settings, kafka)
    table = app.Table(
        "state",
        partitions=settings.partitions,
        key_type=bytes,
        value_type=bytes,
        extra_topic_configs={"max.message.bytes": CHECKPOINT_BYTES_MAX},
    )
    workers = create_workers(FaustTransport(app, table))
    positions = ReadPositions(
        kafka=kafka,
        topics=frozenset(workers),
        start_offset=lambda topic, partition: workers[topic].position(partition) + 1,
    )
    app.transport = PositionedTransport(app.conf.broker, app, loop=app.loop, positions=positions)
    for topic, worker in workers.items():
        handler = _record_handler(worker, on_failure)
        app.agent(app.topic(topic, value_type=bytes, key_type=bytes), name=topic)(handler)
        app.on_partitions_revoked.connect(_assignment_handler(worker), weak=False)
        app.on_partitions_assigned.connect(_assignment_handler(worker), weak=False)
    return app


def _new_app(settings: StreamSettings, kafka: KafkaAccess) -> Any:
    return faust.App(
        settings.group,
        broker=[URL(f"kafka://{server}") for server in kafka.servers.split(",")],
        broker_credentials=_credentials(kafka),
        TableManager=CountedTables,
        store="memory://",
        datadir=str(settings.state_dir / "faust"),
        value_serializer="raw",
        key_serializer="raw",
        processing_guarantee="at_least_once",
        topic_partitions=settings.partitions,
        topic_replication_factor=kafka.replicas,
        topic_disable_leader=True,
        table_standby_replicas=0,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_rebalance_timeout=max(settings.session_timeout_s, 5.0),
        broker_commit_interval=COMMIT_INTERVAL_S,
        broker_request_timeout=max(2 * settings.session_timeout_s, REQUEST_S_MAX),
        producer_request_timeout=SEND_S_MAX,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=BUFFER_RECORDS_MAX,
        stream_wait_empty=False,
        producer_acks=-1,
        producer_linger_ms=0,
        producer_max_batch_size=BATCH_BYTES_MAX,
        producer_max_request_size=CHECKPOINT_BYTES_MAX,
        web_enabled=False,
        autodiscover=False,
    )


def _credentials(kafka: KafkaAccess) -> CredentialsT | None:
    if kafka.protocol == "SASL_SSL":
        return SASLCredentials(
            username=kafka.username,
            password=kafka.password,
            ssl_context=kafka.tls,
            mechanism=kafka.mechanism,
        )
    return SSLCredentials(kafka.tls) if kafka.protocol == "SSL" else None


def _record_handler(
    worker: StreamWorker, on_failure: Callable[[BaseException], None]
) -> Callable[[Any], Awaitable[None]]:
    async def handle(stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await worker.on_record(FaustRecord(event))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            on_failure(error)
            raise

    return handle


def _assignment_handler(worker: StreamWorker) -> Callable[..., Awaitable[None]]:
    async def handle(_app: Any, _partitions: Any, **_options: Any) -> None:
        worker.drop_partitions()

    return handle
