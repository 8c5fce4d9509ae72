"""Reads the devices that send without an assigned sensor, from their messages in quarantine."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Connection
from storage.queries import query
from twin.instant import Instant, from_datetime
from twin.quality.plausibility import QuarantineReason

# With more unknown devices, some must be assigned first.
UNASSIGNED_DEVICES_MAX = 500
PAYLOADS_MAX = 3


@dataclass(frozen=True, slots=True)
class UnassignedMessage:
    """A message of an unassigned device."""

    topic: str
    received_time: Instant
    payload: bytes  #: the beginning of the payload


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
                UnassignedMessage(topic, from_datetime(time), bytes(payload))
                for topic, time, payload in zip(topics, times, payloads, strict=True)
            ),
        )
        for feed, device, count, first, last, topics, times, payloads in await cursor.fetchall()
    ]
