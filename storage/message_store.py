"""Where an observation came from: the message that it was in, and its payload while that is kept."""

from __future__ import annotations

import sys
import zlib
from array import array
from dataclasses import dataclass

from storage.database import Connection
from storage.queries import query
from twin.instant import Instant, to_datetime
from twin.wire.messages import MessageHeader, decode_headers, decode_payloads


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message as it was received, and where on the log its observations were."""

    header: MessageHeader
    session: str  #: the run of ingest that received it, or that replayed it
    log_id: str
    partition: int
    log_offset: int
    payload: bytes | None  #: redacted where it is personal; None when it was dropped, or never kept


async def find_message(
    connection: Connection, partition: int, datastream: int, received_time: Instant
) -> StoredMessage | None:
    """Return the message received at a time with an observation of a datastream; None when it is not kept.

    `partition` is that of the datastream's entity. Raises MessageError when the stored bytes cannot be read.
    """
    cursor = await connection.execute(
        query("history/lineage/find_message_batches"),
        {"partition": partition, "received": to_datetime(received_time)},
    )
    for log_id, log_offset, headers, datastreams, payloads in await cursor.fetchall():
        told = decode_headers(zlib.decompress(headers))
        ids = _ids(zlib.decompress(datastreams))
        begin = 0
        for place, header in enumerate(told.messages):
            end = begin + header.observations
            if header.received_time == received_time and datastream in ids[begin:end]:
                kept = decode_payloads(zlib.decompress(payloads)) if payloads is not None else ()
                return StoredMessage(
                    header=header,
                    session=told.session,
                    log_id=log_id,
                    partition=partition,
                    log_offset=log_offset,
                    # An empty one stands for one that was too large to keep.
                    payload=kept[place] if place < len(kept) and kept[place] else None,
                )
            begin = end
    return None


def _ids(data: bytes) -> array[int]:
    ids = array("i")
    ids.frombytes(data)
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
