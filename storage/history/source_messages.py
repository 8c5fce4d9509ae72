"""Reads the raw messages with observations of some datastreams, in the order of their reception."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.database import Connection
from storage.history.lineage import StoredMessage, datastream_ids
from storage.queries import query
from twin.instant import Instant, from_datetime, to_datetime
from twin.wire.messages import decode_headers, decode_payloads


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessage:
    """A message, and where it stands on the log."""

    stored: StoredMessage
    record_time: Instant  #: when the last message of its record was received
    number: int  #: of the message within its record


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessages:
    """Messages that were read, and up to when they are all there."""

    messages: list[SourceMessage]
    end: Instant  #: all messages received before it are there


async def read_source_messages(
    connection: Connection,
    partition: int,
    datastreams: Collection[int],
    span: tuple[Instant, Instant],
    *,
    messages_max: int,
    bytes_max: int,
) -> SourceMessages:
    """Return the messages of a partition received in start ≤ t < end with observations of these datastreams.

    At most `messages_max`, with payloads of at most `bytes_max` bytes in all; what follows is left out, and
    `end` is then earlier. Raises MessageError when a stored record cannot be decoded.
    """
    start, end = span
    wanted = frozenset(datastreams)
    found: list[SourceMessage] = []
    size = 0
    async with connection.transaction(), connection.cursor(name="source_messages") as cursor:
        cursor.itersize = 100
        parameters = {"partition": partition, "start": to_datetime(start), "end": to_datetime(end)}
        await cursor.execute(query("history/lineage/list_message_batches"), parameters)
        async for row in cursor:
            for message in _messages(partition, row, wanted):
                if not start <= message.stored.header.received_time < end:
                    continue
                size += len(message.stored.payload or b"")
                if len(found) == messages_max or size > bytes_max:
                    last = message.stored.header.received_time
                    return SourceMessages(messages=[one for one in found if _time(one) < last], end=last)
                found.append(message)
    return SourceMessages(messages=found, end=end)


def _time(message: SourceMessage) -> Instant:
    return message.stored.header.received_time


def _messages(partition: int, row: tuple[Any, ...], wanted: frozenset[int]) -> Iterator[SourceMessage]:
    """Yield the messages of a record that have an observation of the wanted datastreams."""
    log_id, log_offset, last_received, headers, datastreams, payloads = row
    ids = datastream_ids(zlib.decompress(datastreams))
    if wanted.isdisjoint(ids):
        return
    assert isinstance(last_received, datetime)  # noqa: S101 - the type of the column
    decoded = decode_headers(zlib.decompress(headers))
    kept = decode_payloads(zlib.decompress(payloads)) if payloads is not None else ()
    begin = 0
    for number, header in enumerate(decoded.messages):
        end = begin + header.observations
        if not wanted.isdisjoint(ids[begin:end]):
            stored = StoredMessage(
                header=header,
                session=decoded.session,
                log_id=log_id,
                partition=partition,
                log_offset=log_offset,
                # An empty payload stands for one that was too large to keep.
                payload=kept[number] if number < len(kept) and kept[number] else None,
            )
            yield SourceMessage(stored=stored, record_time=from_datetime(last_received), number=number)
        begin = end
