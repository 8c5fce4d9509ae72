"""The messages that were received in one session of ingest: their numbers, as columns."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class DistinctMessages(NamedTuple):
    """Messages, each once, by number."""

    sequences: NDArray[np.int64]
    sources: NDArray[np.int64]  #: in `Reception.sources`
    accepted: NDArray[np.bool_]  #: whether it had usable observations


@dataclass(slots=True)
class ReceivedMessages:
    """Messages in the order of the log; a number that comes twice is one message, as it came first."""

    _sequences: array[int] = field(default_factory=lambda: array("q"))
    _sources: array[int] = field(default_factory=lambda: array("q"))
    _accepted: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        """Return how many were added."""
        return len(self._sequences)

    def add(self, sequences: Sequence[int], sources: Sequence[int], *, accepted: bool) -> None:
        """Add messages."""
        self._sequences.extend(sequences)
        self._sources.extend(sources)
        self._accepted.extend((b"\1" if accepted else b"\0") * len(sequences))

    def distinct(self) -> DistinctMessages:
        """Return each message once."""
        sequences, first = np.unique(np.array(self._sequences, np.int64), return_index=True)
        return DistinctMessages(
            sequences,
            np.array(self._sources, np.int64)[first],
            np.frombuffer(bytes(self._accepted), np.bool_)[first],
        )
