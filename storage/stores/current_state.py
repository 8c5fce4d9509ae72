"""Reads the stored state of all entities, from which the stream and the live view start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from storage.database import Connection, snapshot
from storage.queries import query
from storage.stores.log_positions import read_positions
from twin.instant import from_datetime
from twin.model.observation import LastGoodValue, Observation
from twin.wire.messages import Update, UpdateKind


@dataclass(frozen=True, slots=True)
class CurrentState:
    """The stored state at one moment, and the log positions of that moment."""

    updates: list[Update]  #: one for each property of each entity
    datastreams: list[Observation]  #: the newest observation of each datastream
    revisions: dict[str, int]  #: entity → its last revision
    positions: dict[tuple[str, int], int]  #: (topic, partition) → next offset
    #: (entity, name) → the last revision of an amendment of the series
    amended: Mapping[tuple[str, str], int] = MappingProxyType({})


async def read_current_state(connection: Connection, log_id: str) -> CurrentState:
    """Return the stored state in one snapshot; `positions` are those in `log_id`, empty for a new log.

    The `observation` of an update is the newest state among the datastreams that its value is combined from;
    a derived value has none. Households have datastream states and revisions, but no updates. No transaction
    may be open on the connection.
    """
    async with snapshot(connection):
        return await read_state_in_snapshot(connection, log_id)


async def read_state_in_snapshot(connection: Connection, log_id: str) -> CurrentState:
    """Return what `read_current_state` returns, within `snapshot`."""
    datastreams = [
        _observation(*row)
        for row in await (await connection.execute(query("stores/state/list_datastream_states"))).fetchall()
    ]
    rows = await (await connection.execute(query("stores/state/list_property_states"))).fetchall()
    entity_revisions = await (
        await connection.execute(query("stores/state/list_entity_revisions"))
    ).fetchall()
    amended = await (await connection.execute(query("stores/state/list_amended_series"))).fetchall()
    log_positions = await read_positions(connection, log_id)
    by_id = {observation.datastream: observation for observation in datastreams}
    updates = [_update(by_id, row) for row in rows]
    revisions: dict[str, int] = dict(entity_revisions)
    for update in updates:
        revisions[update.entity] = max(update.revision, revisions.get(update.entity, 0))
    by_series = {(entity, name): revision for entity, name, revision in amended}
    return CurrentState(updates, datastreams, revisions, log_positions, by_series)


def _observation(
    datastream: int, phenomenon_time: datetime, received_time: datetime, value: float, flags: int
) -> Observation:
    return Observation(datastream, from_datetime(phenomenon_time), from_datetime(received_time), value, flags)


def _update(states: Mapping[int, Observation], row: tuple[Any, ...]) -> Update:
    entity, property, revision, value, phenomenon_time, received_time, flags, datastreams, *others = row
    kind, good_value, good_time, deviating, count, members, members_expected, preliminary = others
    ids = tuple(datastreams)
    measured, received = from_datetime(phenomenon_time), from_datetime(received_time)
    newest = None
    if kind != UpdateKind.INDICATOR:
        newest = max(
            (states[id] for id in ids if id in states),
            key=lambda observation: observation[1:],
            # Both tables are written together, so each datastream has a state; a restored backup may differ.
            default=Observation(ids[0] if ids else 0, measured, received, value, flags),
        )
    return Update(
        entity,
        property,
        revision,
        value,
        measured,
        received,
        flags,
        ids,
        newest,
        UpdateKind(kind),
        LastGoodValue(good_value, from_datetime(good_time)) if good_time is not None else None,
        tuple(deviating),
        count,
        members=members,
        members_expected=members_expected,
        preliminary=preliminary,
    )
