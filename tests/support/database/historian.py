"""Runs the historian, makes records for it, and waits until they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from typing import Any

import psycopg
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from runtime.kafka.consumer import end_offsets, log_identity
from runtime.kafka.topics import partition_counts
from storage.database import connect
from storage.historian.log_reader import HELD_ROWS_MIN, stored_partitions
from storage.historian.service import run_historian
from storage.settings import HistorianSettings
from storage.stores.log_positions import read_positions
from tests.support.database.role_accounts import role_dsn
from tests.support.payloads.observation_records import encode_observations
from twin.instant import Instant
from twin.model.observation import Observation
from twin.quality.plausibility import QuarantineReason
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    OBSERVATIONS,
    MessageHeader,
    MessageHeaders,
    ObservationBatch,
    QuarantinedMessage,
    encode_headers,
    encode_payloads,
)

PARTITIONS = 4
DEADLINE_S = 60.0
TICK_S = 0.02
START = 1_795_000_000_000_000


def historian_settings(kafka: str, database: str, **others: Any) -> HistorianSettings:
    """Return settings with short pauses; the historian uses the database with its own account."""
    return HistorianSettings(
        kafka=kafka,
        database=SecretStr(role_dsn(database, "historian")),
        partitions=PARTITIONS,
        **{"historian_pause_ms": 10, **others},
    )


@asynccontextmanager
async def running_historian(
    options: HistorianSettings, *, held_rows_min: int = HELD_ROWS_MIN
) -> AsyncIterator[asyncio.Task[None]]:
    """Run the historian; cancel it at the end of the block, as in a crash. Its own errors fail the test."""
    task = asyncio.create_task(run_historian(options, held_rows_min=held_rows_min))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE_S)


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when the condition holds; fail after the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(TICK_S)


async def until_stored(kafka: str, database: str) -> None:
    """Return when the stored positions have reached the ends of the log."""
    log_id = await log_identity(kafka)
    wanted = await end_offsets(kafka, stored_partitions(PARTITIONS))

    async def stored() -> bool:
        async with await connect(database, role="test") as connection:
            reached = await read_positions(connection, log_id)
        return all(reached.get((one.topic, one.partition), 0) >= end for one, end in wanted.items())

    await until_true(stored)


def make_observations(count: int, datastreams: int = 7) -> list[Observation]:
    """Return distinct observations of several datastreams."""
    return [
        Observation(1 + n % datastreams, START + n * 1_000_000, START + n * 1_000_000 + 500, n / 4, n % 3)
        for n in range(count)
    ]


async def write_records(kafka: str, topic: str, records: Iterable[bytes]) -> None:
    """Write records over the partitions of a topic and wait until the log has them."""
    count = partition_counts(PARTITIONS).get(topic, 1)  # topics of leases have one
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        sent = [
            await producer.send(topic, value, partition=number % count)
            for number, value in enumerate(records)
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def observation_records(observations: Sequence[Observation], size: int = 10) -> list[bytes]:
    """Return records of `size` observations each."""
    return [
        encode_observations(observations[begin : begin + size], START)
        for begin in range(0, len(observations), size)
    ]


def record_with_headers(
    observations: Sequence[Observation],
    session: str,
    first_sequence: int = 0,
    *,
    feed: str = "native",
    payloads: bool = True,
) -> bytes:
    """Return one record in which each observation has a message header of its own.

    A `first_sequence` below 0 marks all as replays, which have no sequence number.
    """
    headers = tuple(
        MessageHeader(
            first_sequence + number if first_sequence >= 0 else -1,
            observation.received_time,
            f"livetwin/alkmaar/s{observation.datastream}/observations",
            feed,
            f"s{observation.datastream}",
            "native",
            1,
            1,
            len(payload_of(observation)),
            sha256(payload_of(observation)).digest(),
            observation.rank,
        )
        for number, observation in enumerate(observations)
    )
    return OBSERVATIONS.encode(
        ObservationBatch(
            LAYOUT_VERSION,
            tuple(observations),
            START,
            encode_headers(MessageHeaders(session, headers)),
            encode_payloads([payload_of(one) for one in observations]) if payloads else b"",
        )
    )


def payload_of(observation: Observation) -> bytes:
    """Return the payload that a device would have sent."""
    return f'{{"values": {{"x": {observation.value}}}}}'.encode()


def quarantined_message(
    number: int,
    *,
    session: str = "run",
    feed: str = "ttn",
    received_time: Instant = START,
    observations: int = 0,
    device: str = "d1",
    replay_of: str = "",
    reason: str = QuarantineReason.UNKNOWN_SENSOR,
) -> QuarantinedMessage:
    """Return a quarantined message; `number` is part of its id and its sequence number."""
    return QuarantinedMessage(
        LAYOUT_VERSION,
        f"id{number}",
        feed,
        "a/b",
        received_time,
        reason,
        "why",
        b"payload",
        7,
        sha256(b"payload").hexdigest(),
        session,
        number,
        observations,
        device,
        "ttn",
        1,
        replay_of,
    )


async def fetch_rows(database: str, statement: str) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    async with await psycopg.AsyncConnection.connect(database) as connection:
        return await (await connection.execute(statement)).fetchall()


STORED = (
    "SELECT datastream_id, (extract(epoch FROM phenomenon_time) * 1000000)::bigint,"
    " (extract(epoch FROM received_time) * 1000000)::bigint, value, flags, coalesce(rank, 0)"
    " FROM observation ORDER BY 1, 2"
)


async def stored_observations(database: str) -> list[Observation]:
    """Return every stored observation, ordered by key."""
    return [Observation._make(row) for row in await fetch_rows(database, STORED)]
