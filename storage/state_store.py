"""The stored state: what the stream and the live view start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.database import Connection
from storage.positions import positions
from storage.queries import query
from twin.instant import from_datetime
from twin.messages import Update
from twin.observation import Observation


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state of everything at one moment, and how far in the log that moment is."""

    updates: list[Update]  #: one for each property of each entity
    datastreams: list[Observation]  #: the newest of each datastream
    revisions: dict[str, int]  #: entity → its last revision
    positions: dict[tuple[str, int], int]  #: (topic, partition) → first offset that is not in it


async def read_state(connection: Connection, log_id: str) -> StoredState:
    """Return the stored state in one snapshot; `positions` are those in the log `log_id`, empty if it is new.

    An update's `observation` is the newest datastream state among those that its value is combined from. The
    connection must not be in a transaction.
    """
    async with connection.transaction():
        await connection.execute(query("begin_snapshot"))
        datastreams = [
            _observation(*row)
            for row in await (await connection.execute(query("list_datastream_states"))).fetchall()
        ]
        rows = await (await connection.execute(query("list_property_states"))).fetchall()
        log_positions = await positions(connection, log_id)
    by_id = {one.datastream: one for one in datastreams}
    updates = [_update(by_id, row) for row in rows]
    revisions: dict[str, int] = {}
    for update in updates:
        revisions[update.entity] = max(update.revision, revisions.get(update.entity, 0))
    return StoredState(updates, datastreams, revisions, log_positions)


async def read_unapplied(connection: Connection) -> list[Observation]:
    """Return the newest observation of each datastream that history has and the stored state has not.

    The historian may have stored an observation, and not yet the update that followed from it, when the log
    that held the update was lost. Whoever starts on a new log applies these to the stored state first.
    """
    async with connection.transaction():
        cursor = await connection.execute(query("list_unapplied_observations"))
        return [_observation(*row) for row in await cursor.fetchall()]


def _observation(
    datastream: int, phenomenon_time: datetime, received_time: datetime, value: float, flags: int
) -> Observation:
    return Observation(datastream, from_datetime(phenomenon_time), from_datetime(received_time), value, flags)


def _update(states: Mapping[int, Observation], row: tuple[Any, ...]) -> Update:
    entity, property, revision, value, phenomenon_time, received_time, flags, datastreams = row
    ids = tuple(datastreams)
    measured, received = from_datetime(phenomenon_time), from_datetime(received_time)
    contributing = [states[one] for one in ids if one in states]
    newest = max(
        contributing,
        key=lambda one: one[1:],
        # Both tables are written together, so a contributor has a state; a restored backup may differ.
        default=Observation(ids[0] if ids else 0, measured, received, value, flags),
    )
    return Update(entity, property, revision, value, measured, received, flags, ids, newest)
