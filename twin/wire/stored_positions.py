"""Stored positions: how far the historian has stored the log, for the roles that wait for it."""

from __future__ import annotations

import msgspec

from twin.wire.codec import Codec


class StoredPositions(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How far one log is stored in the database; positions of the same log never decrease."""

    version: int
    log: str  #: identity of the log
    positions: tuple[tuple[str, int, int], ...]  #: topic, partition, first offset that is not stored


STORED_POSITIONS: Codec[StoredPositions] = Codec(StoredPositions)
