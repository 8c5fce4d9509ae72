"""Reads the devices that send without an assigned sensor, from their messages in quarantine."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Connection
from storage.queries import query
from storage.stores.quarantine import TOPIC_CHARACTERS_LISTED
from twin.instant import Instant, from_datetime
from twin.quality.plausibility import QuarantineReason

# With more unknown devices, some must be assigned first.
UNASSIGNED_DEVICES_MAX = 500
PAYLOADS_MAX = 3

PAYLOAD_BYTES_MAX = 8 * 1024
"""Of a payload that is read to learn the fields of a device: uplinks of network servers have up to 3 kB."""


@dataclass(frozen=True, slots=True)
class UnassignedMessage:
    """A message of an unassigned device."""

    id: str  #: of the quarantined message
    topic: str  #: the first `TOPIC_CHARACTERS_LISTED` characters
    received_time: Instant
    payload_bytes: int  #: length of the whole payload
    payload: bytes | None  #: its kept beginning; None when that has more than `PAYLOAD_BYTES_MAX`


@dataclass(frozen=True, slots=True)
class UnassignedDevice:
    """An unknown device, with its messages."""

    feed: str
    device: str
    count: int  #: number of its messages in quarantine
    first_received: Instant
    last_received: Instant
    newest: tuple[UnassignedMessage, ...]  #: newest first, at most `PAYLOADS_MAX`


async def read_unassigned_devices(
    connection: Connection, limit: int = UNASSIGNED_DEVICES_MAX
) -> list[UnassignedDevice]:
    """Return at most `limit` (≤ `UNASSIGNED_DEVICES_MAX`) devices, the one that sent last first."""
    cursor = await connection.execute(
        query("stores/quarantine/list_unassigned_devices"),
        {
            "reason": QuarantineReason.UNKNOWN_SENSOR,
            "limit": max(0, min(limit, UNASSIGNED_DEVICES_MAX)),
            "payloads": PAYLOADS_MAX,
            "payload_bytes": PAYLOAD_BYTES_MAX,
            "topic_characters": TOPIC_CHARACTERS_LISTED,
        },
    )
    return [
        UnassignedDevice(
            feed,
            device,
            count,
            from_datetime(first),
            from_datetime(last),
            tuple(
                UnassignedMessage(
                    id, topic, from_datetime(time), size, bytes(payload) if payload is not None else None
                )
                for id, topic, time, size, payload in zip(*messages, strict=True)
            ),
        )
        for feed, device, count, first, last, *messages in await cursor.fetchall()
    ]
