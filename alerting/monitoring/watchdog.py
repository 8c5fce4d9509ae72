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


class PathStatus(StrEnum):
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

    def on_probes(self, partition: int, probes: Iterable[Probe], now: Instant) -> None:
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

    def status(self, now: Instant) -> PathStatus:
        """Return whether the way is open.

        >>> watchdog = Watchdog(0, partitions=2, patience=180)
        >>> watchdog.status(60), watchdog.status(181)
        (<PathStatus.UNKNOWN: 'unknown'>, <PathStatus.CLOSED: 'closed'>)
        >>> for partition in (0, 1):
        ...     watchdog.on_probes(partition, [Probe(200)], now=201)
        >>> watchdog.status(201)
        <PathStatus.OPEN: 'open'>
        """
        # What works off a backlog sends old probes: it is open again when they come in good time.
        self._closed = now - self.since > (self._patience // 2 if self._closed else self._patience)
        if self._closed:
            return PathStatus.CLOSED
        return PathStatus.OPEN if len(self._back) == self._partitions else PathStatus.UNKNOWN
