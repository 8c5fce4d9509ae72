"""Writes the messages that observations came in: their headers, and the payloads that are kept."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from struct import Struct

import psycopg

from storage.database import Connection
from storage.historian.observation_buffer import MessageRecord
from storage.historian.observation_rows import COPY_HEADER, COPY_TRAILER, POSTGRES_EPOCH
from storage.queries import query
from twin.instant import to_datetime

# The fastest level saves half as much as the best one, in a tenth of the time.
_LEVEL = 1

_TEXT = Struct(">hi")
# Partition, offset, first and last time of reception.
_PLACE = Struct(">ii iq iq iq")
_LENGTH = Struct(">i")
_NULL = b"\xff\xff\xff\xff"


async def write_messages(connection: Connection, log_id: str, records: Sequence[MessageRecord]) -> None:
    """Store the new ones of the message records of a log, in the open transaction.

    All are new unless the log was read a second time.
    """
    packed = [_compressed(record) for record in records]
    try:
        async with (
            connection.transaction(),
            connection.cursor() as cursor,
            cursor.copy(query("historian/observations/copy_message_batches")) as copy,
        ):
            await copy.write(pack_message_rows(log_id, packed))
    except psycopg.errors.UniqueViolation:
        await _insert_missing(connection, log_id, packed)


def pack_message_rows(log_id: str, records: Sequence[MessageRecord]) -> bytes:
    """Return message records as COPY data, with the columns of `copy_message_batches`."""
    log_name = log_id.encode()
    begin = _TEXT.pack(8, len(log_name)) + log_name
    fields = [COPY_HEADER]
    for record in records:
        fields += (
            begin,
            _PLACE.pack(
                *(4, record.partition, 8, record.log_offset),
                *(8, record.first_received - POSTGRES_EPOCH, 8, record.last_received - POSTGRES_EPOCH),
            ),
            *(_LENGTH.pack(len(record.headers)), record.headers),
            *(_LENGTH.pack(len(record.datastreams)), record.datastreams),
            *((_LENGTH.pack(len(record.payloads)), record.payloads) if record.payloads else (_NULL,)),
        )
    fields.append(COPY_TRAILER)
    return b"".join(fields)


async def _insert_missing(connection: Connection, log_id: str, records: Sequence[MessageRecord]) -> None:
    await connection.execute(
        query("historian/observations/insert_message_batches"),
        (
            log_id,
            [record.partition for record in records],
            [record.log_offset for record in records],
            [to_datetime(record.first_received) for record in records],
            [to_datetime(record.last_received) for record in records],
            [record.headers for record in records],
            [record.datastreams for record in records],
            [record.payloads or None for record in records],
        ),
    )


def _compressed(record: MessageRecord) -> MessageRecord:
    return record._replace(
        headers=zlib.compress(record.headers, _LEVEL),
        datastreams=zlib.compress(record.datastreams, _LEVEL),
        payloads=zlib.compress(record.payloads, _LEVEL) if record.payloads else b"",
    )
