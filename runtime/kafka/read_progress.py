"""How far a log is read, by what its own answers say of its end. Pure."""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import Instant


class _LogEnd(NamedTuple):
    offset: int  #: behind the last record
    time: Instant  #: the log had this end at this time, or later


class ReadProgress:
    """The time until which everything that the log had has been read.

    An answer to a fetch names the end of its partition, also when it has no records. Once a reader has come
    to that end, it has everything that the partition had when it answered. A log that does not answer, and a
    reader that does not come to the end, leave the time where it is.
    """

    def __init__(self, partitions: int) -> None:
        self._answered: list[Instant | None] = [None] * partitions
        self._newest: list[_LogEnd | None] = [None] * partitions
        # The end that is waited for stays until it is reached: that of a busy partition always moves.
        self._waited_for: list[_LogEnd | None] = [None] * partitions
        self._reached: list[Instant | None] = [None] * partitions

    def on_answer(self, index: int, end: int, time: Instant, position: int) -> None:
        """Note the end in the last answer of a partition, when it came, and the next offset that is read."""
        before = self._answered[index]
        if before is not None and time != before:
            # An answer can wait in a process that stands still. But it was asked for when the one before had
            # come: that much is certain of its age.
            self._newest[index] = _LogEnd(end, min(before, time))
        self._answered[index] = time
        newest = self._newest[index]
        waited_for = self._waited_for[index] or newest
        if newest is None or waited_for is None:
            return
        if position >= waited_for.offset:
            self._reached[index] = newest.time if position >= newest.offset else waited_for.time
            waited_for = newest
        self._waited_for[index] = waited_for

    @property
    def caught_up_time(self) -> Instant | None:
        """A time at which the log had nothing that is not read by now; None before the first."""
        times = [time for time in self._reached if time is not None]
        return min(times) if times and len(times) == len(self._reached) else None
