"""Devices that send and that no sensor is assigned to: what waits of them in quarantine."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Connection
from storage.queries import query
from twin.instant import Instant, from_datetime
from twin.quality.plausibility import QuarantineReason

# Whoever has more unknown devices than this assigns some first.
UNASSIGNED_DEVICES_MAX = 500
PAYLOADS_MAX = 3


@dataclass(frozen=True, slots=True)
class UnassignedMessage:
    """A message of an unassigned device."""

    topic: str
    received_time: Instant
    payload: bytes  #: its beginning


@dataclass(frozen=True, slots=True)
class UnassignedDevice:
    """A device that is not known, by what it sent."""

    feed: str
    device: str
    count: int  #: of its messages that wait in quarantine
    first_received: Instant
    last_received: Instant
    newest: tuple[UnassignedMessage, ...]  #: newest first, at most `PAYLOADS_MAX`


async def read_unassigned_devices(
    connection: Connection, limit: int = UNASSIGNED_DEVICES_MAX
) -> list[UnassignedDevice]:
    """Return at most `limit` (≤ `UNASSIGNED_DEVICES_MAX`) devices, the one that was heard last first."""
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
