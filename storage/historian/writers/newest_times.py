"""Knows the newest stored time of each datastream: an observation with a later time is certainly new.

Most observations are new and are inserted without a comparison; only the others are compared with the stored
rows. A wrong answer here costs only time, since the unique index of the table decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from storage.database import Connection
from storage.queries import query
from twin.instant import INSTANT_MAX, Instant, from_datetime, to_datetime

# Eight bytes each: 8 MB. Ids are consecutive; observations of greater ids are always compared.
TRACKED_DATASTREAMS_MAX = 1_000_000

_UNKNOWN: Instant = INSTANT_MAX
_GROWTH = 1_024

IntArray = NDArray[np.int64]


class NewestTimes:
    """The newest stored phenomenon time of each datastream, or a later time. Owned by the batch writer."""

    def __init__(self) -> None:
        self._times: IntArray = np.full(_GROWTH, _UNKNOWN, np.int64)

    async def load_unknown(self, connection: Connection, datastreams: IntArray, times: IntArray) -> None:
        """Read the newest times of those datastreams of these observations that are not known yet."""
        self._grow(datastreams)
        is_tracked = datastreams < len(self._times)
        unknown = is_tracked.copy()
        unknown[is_tracked] = self._times[datastreams[is_tracked]] == _UNKNOWN
        if not unknown.any():
            return
        requested, since = _earliest(datastreams[unknown], times[unknown])
        cursor = await connection.execute(
            query("historian/observations/list_newest_times"),
            (requested.tolist(), [to_datetime(one) for one in since.tolist()]),
        )
        self._times[requested] = since - 1
        for datastream, newest in await cursor.fetchall():
            self._times[datastream] = from_datetime(newest)

    def are_newer(self, datastreams: IntArray, times: IntArray) -> NDArray[np.bool_]:
        """Return for each observation whether it is newer than everything stored of its datastream."""
        is_tracked = datastreams < len(self._times)
        newer = np.zeros(len(times), np.bool_)
        newer[is_tracked] = times[is_tracked] > self._times[datastreams[is_tracked]]
        return newer

    def record(self, datastreams: IntArray, times: IntArray) -> None:
        """Record the times of observations that are, or will be, stored."""
        is_tracked = datastreams < len(self._times)
        np.maximum.at(self._times, datastreams[is_tracked], times[is_tracked])

    def reset(self) -> None:
        """Forget all times, because another process may have stored observations."""
        self._times[:] = _UNKNOWN

    def _grow(self, datastreams: IntArray) -> None:
        """Grow the array to hold these ids, up to the bound."""
        needed = min(int(datastreams.max()) + 1, TRACKED_DATASTREAMS_MAX)
        if needed > len(self._times):
            size = min(TRACKED_DATASTREAMS_MAX, max(needed, 2 * len(self._times)))
            grown = np.full(size, _UNKNOWN, np.int64)
            grown[: len(self._times)] = self._times
            self._times = grown


def _earliest(datastreams: IntArray, times: IntArray) -> tuple[IntArray, IntArray]:
    """Return each datastream once, with the earliest of its times.

    >>> [one.tolist() for one in _earliest(np.array([7, 5, 7]), np.array([30, 20, 10]))]
    [[5, 7], [20, 10]]
    """
    by_time = np.argsort(times, kind="stable")
    distinct, first = np.unique(datastreams[by_time], return_index=True)
    return distinct, times[by_time][first]
