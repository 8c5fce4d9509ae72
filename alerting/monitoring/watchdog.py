"""The watchdog: whether the path from a sensor to the duty loop is open. Pure.

A probe is sent each interval and returns on each partition of `alarms`. The path is closed when a partition
has had no probe for longer than the patience. Without the watchdog, nobody would notice that no alarm can
arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from twin.instant import Duration, Instant
from twin.wire.probe import Probe


class PathStatus(StrEnum):
    """The status of the path from sensors."""

    UNKNOWN = "unknown"  #: no probe has returned yet, and there was not enough time for one
    OPEN = "open"
    CLOSED = "closed"


class Watchdog:
    """Watches the path from `start` on. Owned by one task."""

    def __init__(self, start: Instant, partitions: int, patience: Duration) -> None:
        self._start = start
        self._patience = patience
        self._last_probes: dict[int, Instant] = {}
        self._partitions = partitions
        self._is_closed = False

    def on_probes(self, partition: int, probes: Iterable[Probe], now: Instant) -> None:
        """Note the probes that returned on a partition."""
        for probe in probes:
            # Ignore probes of an earlier process, and of the future: every MQTT client may publish some.
            if self._start <= probe.time <= now:
                self._last_probes[partition] = max(probe.time, self._last_probes.get(partition, self._start))

    @property
    def since(self) -> Instant:
        """The sending time of the last probe that returned on every partition; the start if there is none."""
        if len(self._last_probes) < self._partitions:
            return self._start
        return min(self._last_probes.values())

    def status(self, now: Instant) -> PathStatus:
        """Return whether the path is open.

        >>> watchdog = Watchdog(0, partitions=2, patience=180)
        >>> watchdog.status(60), watchdog.status(181)
        (<PathStatus.UNKNOWN: 'unknown'>, <PathStatus.CLOSED: 'closed'>)
        >>> for partition in (0, 1):
        ...     watchdog.on_probes(partition, [Probe(200)], now=201)
        >>> watchdog.status(201)
        <PathStatus.OPEN: 'open'>
        """
        # A stage that works off a backlog sends old probes: the path is open again once they are recent.
        patience = self._patience // 2 if self._is_closed else self._patience
        self._is_closed = now - self.since > patience
        if self._is_closed:
            return PathStatus.CLOSED
        return PathStatus.OPEN if len(self._last_probes) == self._partitions else PathStatus.UNKNOWN
