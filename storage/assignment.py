"""Devices that the model assigns anew: what they sent before waits in quarantine, and is tried again.

An unknown device is in quarantine as `unknown-sensor`, a field that nobody observed as `no-observation`. When
`livetwin apply` brings the sensor, or the field, those messages are asked for in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from storage.database import Connection
from storage.model.model_rows import DATASTREAM_TABLE, SENSOR_TABLE, ModelRow, RowChange
from storage.stores.replay_outbox import request_replays_of_devices


async def request_replays_of_assigned(
    connection: Connection, changes: Iterable[RowChange], sensors: Sequence[ModelRow]
) -> None:
    """Ask for the messages of devices that these changes make known; `sensors` are the rows of the plan."""
    assigned = {
        str(change.row["id"] if change.table is SENSOR_TABLE else change.row["sensor"])
        for change in changes
        if _assigns_device(change)
    }
    devices = [
        (str(one["feed"]), spelling)
        for one in sensors
        if one["id"] in assigned
        for spelling in _id_variants(str(one["device"]))
    ]
    if devices:
        await request_replays_of_devices(connection, devices)


def _id_variants(device: str) -> set[str]:
    """Return how a device may name itself: vendors write one EUI in either case, and ingest takes both."""
    return {device, device.lower(), device.upper()}


def _assigns_device(change: RowChange) -> bool:
    if change.action in ("create", "revive"):
        return change.table in (SENSOR_TABLE, DATASTREAM_TABLE)
    if change.action != "update":
        return False
    changed = change.difference.keys()
    return (change.table is SENSOR_TABLE and not changed.isdisjoint({"feed", "device"})) or (
        change.table is DATASTREAM_TABLE and "field" in changed
    )
