"""Reads the sources of values: observations as they were sent, their messages, and published values."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from storage.database import Connection
from storage.queries import query
from twin.instant import DAY, INSTANT_MIN, Duration, Instant, from_datetime, to_datetime
from twin.model.observation import Observation
from twin.wire.messages import MessageHeader, decode_headers, decode_payloads

LOOKBACK_MAX: Duration = 35 * DAY
"""How far back the newest value before a time is searched: an older value says nothing about that time."""

PUBLISHED_VALUES_MAX = 10_000
RAW_OBSERVATIONS_MAX = 1_000


class SourceDatastream(NamedTuple):
    """A datastream that observes, or once observed, a property of an entity."""

    id: int
    sensor: str
    personal: bool  #: whether its single readings are personal data


class PublishedValue(NamedTuple):
    """A derived value as it was published."""

    phenomenon_time: Instant
    value: float
    flags: int
    count: int  # type: ignore[assignment]  #: of datastreams or connections that it is computed from
    revision: int
    members: int = 0  #: of an area: entities behind the value
    members_expected: int = 0  #: 0: not a value of an area


async def read_source_datastreams(
    connection: Connection, entity: str, property: str
) -> list[SourceDatastream]:
    """Return the datastreams that observe, or once observed, a property of an entity, by id."""
    cursor = await connection.execute(
        query("history/lineage/list_source_datastreams"), {"entity": entity, "property": property}
    )
    return [SourceDatastream(*row) for row in await cursor.fetchall()]


async def read_raw_observations(
    connection: Connection, datastreams: Sequence[int], start: Instant, end: Instant, limit: int
) -> list[Observation]:
    """Return at most `limit` (≤ `RAW_OBSERVATIONS_MAX`) observations with start ≤ time < end, oldest first.

    Values are not calibrated. Flags are those of the device and of the assessment, without the flags that
    follow from the two times.
    """
    cursor = await connection.execute(
        query("history/lineage/list_raw_observations"),
        {
            "datastreams": list(datastreams),
            "start": to_datetime(start),
            "end": to_datetime(end),
            "limit": max(0, min(limit, RAW_OBSERVATIONS_MAX)),
        },
    )
    return [_raw_observation(*row) for row in await cursor.fetchall()]


async def read_newest_raw_observations(
    connection: Connection, until: Mapping[int, Instant]
) -> list[Observation]:
    """Return the newest observation of each datastream up to its time, as `read_raw_observations`.

    None is older than `LOOKBACK_MAX` before the earliest of the times.
    """
    if not until:
        return []
    cursor = await connection.execute(
        query("history/lineage/list_newest_raw_observations"),
        {
            "datastreams": list(until),
            "times": [to_datetime(one) for one in until.values()],
            "floor": to_datetime(min(until.values()) - LOOKBACK_MAX),
            "ceiling": to_datetime(max(until.values())),
        },
    )
    return [_raw_observation(*row) for row in await cursor.fetchall()]


async def read_published_values(  # noqa: PLR0917 - a request has so many parts
    connection: Connection,
    entity: str,
    name: str,
    start: Instant,
    end: Instant,
    limit: int,
    after: Instant = INSTANT_MIN,
) -> list[PublishedValue]:
    """Return published values with start ≤ phenomenon time < end and later than `after`, oldest first.

    At most `limit`, and at most `PUBLISHED_VALUES_MAX`.
    """
    cursor = await connection.execute(
        query("history/lineage/list_published_values"),
        {
            "entity": entity,
            "name": name,
            "start": to_datetime(start),
            "end": to_datetime(end),
            "after": to_datetime(after),
            "limit": max(0, min(limit, PUBLISHED_VALUES_MAX)),
        },
    )
    return [_published(*row) for row in await cursor.fetchall()]


async def read_published_value(
    connection: Connection, entity: str, name: str, until: Instant
) -> PublishedValue | None:
    """Return the newest published value up to a time, at most `LOOKBACK_MAX` before it, or None."""
    cursor = await connection.execute(
        query("history/lineage/find_published_value"),
        {
            "entity": entity,
            "name": name,
            "floor": to_datetime(until - LOOKBACK_MAX),
            "until": to_datetime(until),
        },
    )
    row = await cursor.fetchone()
    return _published(*row) if row is not None else None


def _raw_observation(  # noqa: PLR0917 - the columns of a row
    datastream: int, measured: datetime, received: datetime, value: float, flags: int, rank: int
) -> Observation:
    return Observation(datastream, from_datetime(measured), from_datetime(received), value, flags, rank)


def _published(measured: datetime, *others: Any) -> PublishedValue:
    return PublishedValue(from_datetime(measured), *others)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message as it was received, and the position of its observations on the log."""

    header: MessageHeader
    session: str  #: the run of ingest that received or replayed it
    log_id: str
    partition: int
    log_offset: int
    payload: bytes | None  #: redacted where it is personal; None when it was removed, or never kept


async def find_message(
    connection: Connection, partition: int, datastream: int, received_time: Instant, rank: int = 0
) -> StoredMessage | None:
    """Return the message that was received at a time with an observation of a datastream, or None.

    `partition` is that of the datastream's entity. Of several messages, it is the one with the greatest rank
    up to that of the observation: a repetition within a message has a greater one than its message. Raises
    MessageError when the stored bytes cannot be decoded.
    """
    best: StoredMessage | None = None
    cursor = await connection.execute(
        query("history/lineage/find_message_batches"),
        {"partition": partition, "received": to_datetime(received_time)},
    )
    for log_id, log_offset, headers, datastreams, payloads in await cursor.fetchall():
        decoded = decode_headers(zlib.decompress(headers))
        ids = datastream_ids(zlib.decompress(datastreams))
        begin = 0
        for index, header in enumerate(decoded.messages):
            end = begin + header.observations
            if (
                header.received_time == received_time
                and header.rank <= rank
                and (best is None or header.rank > best.header.rank)
                and datastream in ids[begin:end]
            ):
                kept_payloads = decode_payloads(zlib.decompress(payloads)) if payloads is not None else ()
                best = StoredMessage(
                    header=header,
                    session=decoded.session,
                    log_id=log_id,
                    partition=partition,
                    log_offset=log_offset,
                    # An empty payload stands for one that was too large to keep.
                    payload=kept_payloads[index]
                    if index < len(kept_payloads) and kept_payloads[index]
                    else None,
                )
            begin = end
    return best


def datastream_ids(data: bytes) -> array[int]:
    """Return the ids in the column `datastreams` of a record."""
    ids = array("i")
    ids.frombytes(data)
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
