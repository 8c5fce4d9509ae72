"""Completeness: each acknowledged reading must be stored once and delivered once, with its value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.load_generator import LoadResult
from benchmarks.load.traffic import LoadTraffic, Numbers
from benchmarks.measure.live_events import LiveEvents
from benchmarks.measure.stored_rows import StoredObservations

_STEPS_BITS = 40
"""Bits of a key for the microseconds since the first message, up to twelve days; the others: datastream."""

_NEVER_SENT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCompleteness:
    """The readings in one sink, compared with the acknowledged ones."""

    count: int  #: rows or events
    lost: int  #: acknowledged, but missing
    duplicates: int  #: present more than once
    altered: int  #: present with another value
    unexpected: int  #: present, but never sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """The comparison of both sinks: database and live stream."""

    sent: int  #: messages
    acknowledged: int  #: messages
    unheard: int  #: acknowledged without a subscriber
    readings: int  #: in the acknowledged messages
    quarantined: int
    stored: SinkCompleteness
    told: SinkCompleteness
    gaps: int  #: gap events of the live stream

    @property
    def faults(self) -> list[str]:
        """Descriptions of all faults; empty when nothing is lost."""
        counts = {
            "sent but not acknowledged": self.sent - self.acknowledged,
            "acknowledged without a subscriber": self.unheard,
            "quarantined": self.quarantined,
            "gaps in the live stream": self.gaps,
        }
        for name, side in (("stored", self.stored), ("told", self.told)):
            counts[f"acknowledged but not {name}"] = side.lost
            counts[f"{name} more than once"] = side.duplicates
            counts[f"{name} with another value"] = side.altered
            counts[f"{name} but never sent"] = side.unexpected
        return [f"{count} {what}" for what, count in counts.items() if count]


class SentReadings:
    """The readings that were sent, indexed by datastream and instant."""

    def __init__(self, traffic: LoadTraffic, load: LoadResult) -> None:
        messages = np.flatnonzero(load.published)
        numbers = (messages[:, None] * traffic.pack + np.arange(traffic.pack)).ravel()
        self.published: Numbers = np.repeat(load.published[messages], traffic.pack)
        self.acknowledged: NDArray[np.bool_] = np.repeat(load.acknowledged[messages], traffic.pack)
        self.values: NDArray[np.float64] = traffic.tenths_of(numbers) / 10
        self._start = int(self.published.min()) if len(messages) else 0
        keys = self._keys(numbers % traffic.datastreams, self.published)
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]

    def find(self, datastreams: Numbers, instants: Numbers) -> Numbers:
        """Return the index of each reading in the arrays of this record; -1 where it was not sent."""
        if not len(self._sorted):
            return np.full(len(datastreams), _NEVER_SENT, np.int64)
        keys = self._keys(datastreams, instants)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        is_sent = (self._sorted[at] == keys) & (datastreams >= 0) & (instants >= self._start)
        return np.where(is_sent, self._order[at], _NEVER_SENT)

    def compare(
        self, datastreams: Numbers, instants: Numbers, values: NDArray[np.float64]
    ) -> SinkCompleteness:
        """Compare the stored, or delivered, readings with the sent ones."""
        places = self.find(datastreams, instants)
        is_sent = places >= 0
        seen = np.bincount(places[is_sent], minlength=len(self.values))
        others = self._keys(datastreams[~is_sent], instants[~is_sent])
        return SinkCompleteness(
            count=len(datastreams),
            lost=int(np.count_nonzero(self.acknowledged & (seen == 0))),
            duplicates=int((seen[seen > 1] - 1).sum()) + len(others) - len(np.unique(others)),
            altered=int(np.count_nonzero(self.values[places[is_sent]] != values[is_sent])),
            unexpected=len(np.unique(others)),
        )

    def _keys(self, datastreams: Numbers, instants: Numbers) -> Numbers:
        return (datastreams << _STEPS_BITS) + (instants - self._start)


def check_completeness(
    readings: SentReadings, load: LoadResult, stored: StoredObservations, events: LiveEvents
) -> Completeness:
    """Return the completeness of a run."""
    return Completeness(
        sent=int(np.count_nonzero(load.published)),
        acknowledged=int(np.count_nonzero(load.acknowledged)),
        unheard=load.without_subscriber,
        readings=int(np.count_nonzero(readings.acknowledged)),
        quarantined=sum(stored.quarantined.values()),
        stored=readings.compare(stored.datastreams, stored.times, stored.values),
        told=readings.compare(events.datastreams, events.phenomenon, events.values),
        gaps=len(events.gaps),
    )
