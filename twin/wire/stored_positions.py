"""How far the log is stored: what the historian tells whoever waits for it."""

from __future__ import annotations

import msgspec

from twin.wire.codec import Codec


class StoredPositions(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How far one log is in the database; a later one says more of the same log, never less."""

    version: int
    log: str  #: its identity
    positions: tuple[tuple[str, int, int], ...]  #: topic, partition, first offset that is not stored


STORED_POSITIONS: Codec[StoredPositions] = Codec(StoredPositions)
