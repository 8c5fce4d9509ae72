"""The watchdog: whether the way from a sensor to the duty loop is open. Pure.

A probe is sent each interval and comes back on each partition of `alarms`. When a partition has been without
one for longer than the patience, the way is closed: whoever sits at the end of it would hear nothing, and
nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from twin.instant import Duration, Instant
from twin.wire.probe import Probe


class Path(StrEnum):
    """What the watchdog knows."""

    UNKNOWN = "unknown"  #: no probe has come back yet, and there was not enough time for one
    OPEN = "open"
    CLOSED = "closed"


class Watchdog:
    """Watches from `start` on. Owned by one task."""

    def __init__(self, start: Instant, partitions: int, patience: Duration) -> None:
        self._start = start
        self._patience = patience
        self._back: dict[int, Instant] = {}
        self._partitions = partitions
        self._closed = False

    def hear(self, partition: int, probes: Iterable[Probe], now: Instant) -> None:
        """Take in probes that came back on a partition."""
        for probe in probes:
            # Not one of an earlier process; nor from the future, whoever says so: anybody may publish.
            if self._start <= probe.time <= now:
                self._back[partition] = max(probe.time, self._back.get(partition, self._start))

    @property
    def since(self) -> Instant:
        """The sending of the last probe that came back on every partition; the start while none has."""
        if len(self._back) < self._partitions:
            return self._start
        return min(self._back.values())

    def judge(self, now: Instant) -> Path:
        """Return whether the way is open.

        >>> watchdog = Watchdog(0, partitions=2, patience=180)
        >>> watchdog.judge(60), watchdog.judge(181)
        (<Path.UNKNOWN: 'unknown'>, <Path.CLOSED: 'closed'>)
        >>> for partition in (0, 1):
        ...     watchdog.hear(partition, [Probe(200)], now=201)
        >>> watchdog.judge(201)
        <Path.OPEN: 'open'>
        """
        # What works off a backlog sends old probes: it is open again when they come in good time.
        self._closed = now - self.since > (self._patience // 2 if self._closed else self._patience)
        if self._closed:
            return Path.CLOSED
        return Path.OPEN if len(self._back) == self._partitions else Path.UNKNOWN
