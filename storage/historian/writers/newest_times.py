"""How far in time each datastream is stored: what is newer than that is a new observation for sure.

Most observations are. They go into the table without a question; only what is not newer is compared with what
is stored. A wrong answer here costs time and nothing else: the table's index has the last word.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from storage.database import Connection
from storage.queries import query
from twin.instant import INSTANT_MAX, Instant, from_datetime, to_datetime

# Eight bytes each: 8 MB. Ids are given out one by one; whatever has a greater one is always compared.
TRACKED_DATASTREAMS_MAX = 1_000_000

_UNKNOWN: Instant = INSTANT_MAX
_GROWTH = 1_024

IntArray = NDArray[np.int64]


class NewestTimes:
    """The newest stored phenomenon time of each datastream, or a later one. Owned by the writer."""

    def __init__(self) -> None:
        self._times: IntArray = np.full(_GROWTH, _UNKNOWN, np.int64)

    async def load_unknown(self, connection: Connection, datastreams: IntArray, times: IntArray) -> None:
        """Look up what is not known yet of the datastreams of these observations."""
        self._grow(datastreams)
        kept = datastreams < len(self._times)
        unknown = kept.copy()
        unknown[kept] = self._times[datastreams[kept]] == _UNKNOWN
        if not unknown.any():
            return
        asked, since = _earliest(datastreams[unknown], times[unknown])
        cursor = await connection.execute(
            query("historian/observations/list_newest_times"),
            (asked.tolist(), [to_datetime(one) for one in since.tolist()]),
        )
        self._times[asked] = since - 1
        for datastream, newest in await cursor.fetchall():
            self._times[datastream] = from_datetime(newest)

    def are_newer(self, datastreams: IntArray, times: IntArray) -> NDArray[np.bool_]:
        """Tell of each observation whether it is newer than what is stored of its datastream."""
        kept = datastreams < len(self._times)
        newer = np.zeros(len(times), np.bool_)
        newer[kept] = times[kept] > self._times[datastreams[kept]]
        return newer

    def record(self, datastreams: IntArray, times: IntArray) -> None:
        """Note that these observations are stored, or will be."""
        kept = datastreams < len(self._times)
        np.maximum.at(self._times, datastreams[kept], times[kept])

    def reset(self) -> None:
        """Look everything up again: somebody else stores observations, too."""
        self._times[:] = _UNKNOWN

    def _grow(self, datastreams: IntArray) -> None:
        """Make room for ids, up to the bound."""
        needed = min(int(datastreams.max()) + 1, TRACKED_DATASTREAMS_MAX)
        if needed > len(self._times):
            size = min(TRACKED_DATASTREAMS_MAX, max(needed, 2 * len(self._times)))
            grown = np.full(size, _UNKNOWN, np.int64)
            grown[: len(self._times)] = self._times
            self._times = grown


def _earliest(datastreams: IntArray, times: IntArray) -> tuple[IntArray, IntArray]:
    """Return each datastream once, and the earliest of its times.

    >>> [one.tolist() for one in _earliest(np.array([7, 5, 7]), np.array([30, 20, 10]))]
    [[5, 7], [20, 10]]
    """
    by_time = np.argsort(times, kind="stable")
    found, first = np.unique(datastreams[by_time], return_index=True)
    return found, times[by_time][first]
