"""Reads sensors that the city folder no longer names, for the sensor register."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from storage.database import Connection
from storage.queries import query
from twin.instant import Duration, Instant, from_datetime
from twin.model.sensor_register import RegisterEntry

RETIRED_SENSORS_MAX = 10_000
"""The most that the register has: a large city retires some hundreds a year."""


class RetiredSensor(NamedTuple):
    """A sensor as it was, with the time from its first datastream to the end of its last one."""

    id: str
    feed: str
    device: str
    entity: str
    interval: Duration
    register: RegisterEntry
    properties: tuple[str, ...]
    created: Instant | None
    retired: Instant | None


async def read_retired_sensors(connection: Connection, id: str | None = None) -> list[RetiredSensor]:
    """Return the retired sensors by id, or the one with an id; never meters of households.

    At most `RETIRED_SENSORS_MAX`.
    """
    cursor = await connection.execute(
        query("model/list_retired_sensors"), {"id": id, "limit": RETIRED_SENSORS_MAX}
    )
    return [_sensor(*row) for row in await cursor.fetchall()]


def _sensor(*row: Any) -> RetiredSensor:
    id, feed, device, entity, interval, register, properties, created, retired = row
    return RetiredSensor(
        id=id,
        feed=feed,
        device=device,
        entity=entity,
        interval=interval,
        register=msgspec.convert(register, RegisterEntry),
        properties=tuple(properties),
        created=from_datetime(created) if created is not None else None,
        retired=from_datetime(retired) if retired is not None else None,
    )
