"""Decodes updates and separates those whose values do not fit the columns of the database.

The decoder checks the limits while it reads, at almost no cost. Only a record that it refuses is checked
update by update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from storage.column_limits import COUNT_MAX, DATASTREAM_ID_MAX, FLAGS_MAX, INTEGER_MAX
from storage.historian.observation_rows import fits_columns
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.wire import messages
from twin.wire.codec import DECODE_ERRORS, LAYOUT_VERSION
from twin.wire.messages import SeriesRepair, Update

_Time: TypeAlias = Annotated[int, msgspec.Meta(ge=INSTANT_MIN, le=INSTANT_MAX)]
_Flags: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=FLAGS_MAX)]
_Datastream: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=DATASTREAM_ID_MAX)]


class _BoundedObservation(NamedTuple):
    """`twin.model.observation.Observation`, bounded."""

    datastream: _Datastream
    phenomenon_time: _Time
    received_time: _Time
    value: float
    flags: _Flags = 0


class _BoundedLastGoodValue(NamedTuple):
    """`twin.state.datastream_state.LastGoodValue`, bounded."""

    value: float
    phenomenon_time: _Time


class _BoundedUpdate(Update, array_like=True, frozen=True, gc=False):
    """An update, bounded; a redefined field keeps its position in the array."""

    revision: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
    phenomenon_time: _Time
    received_time: _Time
    flags: _Flags
    datastreams: tuple[_Datastream, ...]
    observation: _BoundedObservation | None  # type: ignore[assignment]
    last_good: _BoundedLastGoodValue | None = None  # type: ignore[assignment]
    deviating: tuple[_Datastream, ...] = ()
    count: Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)] = 1
    members: Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)] = 0
    members_expected: Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)] = 0


class _BoundedSeriesRepair(NamedTuple):
    """`twin.wire.messages.SeriesRepair`, bounded."""

    entity: str
    name: str
    start: _Time
    end: _Time


class _BoundedUpdateBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    version: int
    updates: tuple[_BoundedUpdate, ...]
    repairs: tuple[_BoundedSeriesRepair, ...] = ()
    offset: Annotated[int, msgspec.Meta(ge=-1, le=COUNT_MAX)] = -1


class StorableUpdates(NamedTuple):
    """The content of a record of `updates` that the columns can hold."""

    updates: Sequence[Update]
    repairs: Sequence[SeriesRepair]
    offset: int  #: as in `UpdateBatch`
    refused: int  #: how many updates and repairs were left out


_decode = msgspec.msgpack.Decoder(_BoundedUpdateBatch).decode


def decode_storable_updates(data: bytes) -> StorableUpdates:
    """Return the updates and series repairs of a record that the columns can hold.

    Raises MessageError when the record cannot be decoded.
    """
    try:
        batch = _decode(data)
    except DECODE_ERRORS:
        batch = None
    if batch is not None and batch.version == LAYOUT_VERSION:
        return StorableUpdates(batch.updates, batch.repairs, batch.offset, 0)  # type: ignore[arg-type]
    decoded = messages.UPDATES.decode(data)
    updates = [update for update in decoded.updates if _fits_columns(update)]
    repairs = [one for one in decoded.repairs if one.start >= INSTANT_MIN and one.end <= INSTANT_MAX]
    refused = len(decoded.updates) - len(updates) + len(decoded.repairs) - len(repairs)
    if not -1 <= decoded.offset <= COUNT_MAX:
        raise MessageError("UpdateBatch has an offset outside the column limits")
    return StorableUpdates(updates, repairs, decoded.offset, refused)


def _fits_columns(update: Update) -> bool:
    good = update.last_good
    return (
        (update.observation is None or fits_columns(update.observation))
        and 0 <= update.revision <= COUNT_MAX
        and INSTANT_MIN <= update.phenomenon_time <= INSTANT_MAX
        and INSTANT_MIN <= update.received_time <= INSTANT_MAX
        and 0 <= update.flags <= FLAGS_MAX
        and all(0 <= one <= INTEGER_MAX for one in (update.count, update.members, update.members_expected))
        and all(0 <= datastream <= DATASTREAM_ID_MAX for datastream in update.datastreams + update.deviating)
        and (good is None or INSTANT_MIN <= good.phenomenon_time <= INSTANT_MAX)
    )
