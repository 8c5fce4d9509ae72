"""Columns of points: a chunk of a series as arrays, so that few points become objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from twin.alarms.rules.operand import Point

Instants: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PointColumn:
    """Points of one series, ascending in time, each time once."""

    times: Instants
    values: Values
    flags: Flags
    valid_until: Instants
    point: Callable[[int], Point]  #: returns the point at an index

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def from_points(cls, points: Sequence[Point]) -> PointColumn:
        """Return a column of existing points."""
        return cls(
            np.array([one.time for one in points], np.int64),
            np.array([one.value for one in points], np.float64),
            np.array([one.flags for one in points], np.int64),
            np.array([one.valid_until for one in points], np.int64),
            points.__getitem__,
        )


EMPTY = PointColumn.from_points(())
