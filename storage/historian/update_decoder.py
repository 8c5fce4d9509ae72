"""Updates of which all numbers fit into the columns, told from others while they are decoded.

The decoder checks the bounds as it reads, which costs next to nothing. Only a record that it refuses is
looked through update by update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from storage.column_limits import COUNT_MAX, DATASTREAM_ID_MAX, FLAGS_MAX, INTEGER_MAX
from storage.historian.observation_rows import fits_columns
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.wire import messages
from twin.wire.codec import DECODE_ERRORS, LAYOUT_VERSION
from twin.wire.messages import Update

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
    """An update, bounded; a field that is stated again keeps its place."""

    revision: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
    phenomenon_time: _Time
    received_time: _Time
    flags: _Flags
    datastreams: tuple[_Datastream, ...]
    observation: _BoundedObservation | None  # type: ignore[assignment]
    last_good: _BoundedLastGoodValue | None = None  # type: ignore[assignment]
    deviating: tuple[_Datastream, ...] = ()
    count: Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)] = 1


class _BoundedUpdateBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    version: int
    updates: tuple[_BoundedUpdate, ...]


_decode = msgspec.msgpack.Decoder(_BoundedUpdateBatch).decode


def decode_storable_updates(data: bytes) -> tuple[Sequence[Update], int]:
    """Return the updates of a record that the columns can hold, and how many they cannot.

    Raises MessageError when the record cannot be read.
    """
    try:
        batch = _decode(data)
    except DECODE_ERRORS:
        batch = None
    if batch is not None and batch.version == LAYOUT_VERSION:
        return batch.updates, 0
    told = messages.UPDATES.decode(data).updates
    fitting = [one for one in told if _fits_columns(one)]
    return fitting, len(told) - len(fitting)


def _fits_columns(one: Update) -> bool:
    good = one.last_good
    return (
        (one.observation is None or fits_columns(one.observation))
        and 0 <= one.revision <= COUNT_MAX
        and INSTANT_MIN <= one.phenomenon_time <= INSTANT_MAX
        and INSTANT_MIN <= one.received_time <= INSTANT_MAX
        and 0 <= one.flags <= FLAGS_MAX
        and 0 <= one.count <= INTEGER_MAX
        and all(0 <= datastream <= DATASTREAM_ID_MAX for datastream in one.datastreams + one.deviating)
        and (good is None or INSTANT_MIN <= good.phenomenon_time <= INSTANT_MAX)
    )
