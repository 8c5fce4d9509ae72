"""Writes where observations came from: the headers of their messages, and payloads while they are kept."""

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

# The fastest level takes half of what the best one saves, in a tenth of its time.
_LEVEL = 1

_TEXT = Struct(">hi")
# Partition, offset, the two times.
_PLACE = Struct(">ii iq iq iq")
_LENGTH = Struct(">i")
_NULL = b"\xff\xff\xff\xff"


async def write_messages(connection: Connection, log_id: str, records: Sequence[MessageRecord]) -> None:
    """Store message records of a log that are not there yet, in the transaction that is open.

    None is there, unless the log was read a second time.
    """
    packed = [_compressed(one) for one in records]
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
    """Return message records as COPY reads them, in the order of `copy_message_batches`."""
    name = log_id.encode()
    begin = _TEXT.pack(8, len(name)) + name
    fields = [COPY_HEADER]
    for one in records:
        fields += (
            begin,
            _PLACE.pack(
                *(4, one.partition, 8, one.log_offset),
                *(8, one.first_received - POSTGRES_EPOCH, 8, one.last_received - POSTGRES_EPOCH),
            ),
            *(_LENGTH.pack(len(one.headers)), one.headers),
            *(_LENGTH.pack(len(one.datastreams)), one.datastreams),
            *((_LENGTH.pack(len(one.payloads)), one.payloads) if one.payloads else (_NULL,)),
        )
    fields.append(COPY_TRAILER)
    return b"".join(fields)


async def _insert_missing(connection: Connection, log_id: str, records: Sequence[MessageRecord]) -> None:
    await connection.execute(
        query("historian/observations/insert_message_batches"),
        (
            log_id,
            [one.partition for one in records],
            [one.log_offset for one in records],
            [to_datetime(one.first_received) for one in records],
            [to_datetime(one.last_received) for one in records],
            [one.headers for one in records],
            [one.datastreams for one in records],
            [one.payloads or None for one in records],
        ),
    )


def _compressed(one: MessageRecord) -> MessageRecord:
    return one._replace(
        headers=zlib.compress(one.headers, _LEVEL),
        datastreams=zlib.compress(one.datastreams, _LEVEL),
        payloads=zlib.compress(one.payloads, _LEVEL) if one.payloads else b"",
    )
