"""The balance: each message that was acknowledged must be stored once, and told once, with its own value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.archive import Stored
from benchmarks.city import sensor_name, sensor_of, value_of
from benchmarks.load import LoadResult
from benchmarks.sse_probe import ProbeResult

Key = tuple[str | None, int]
"""Sensor and phenomenon instant: what tells a message from every other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the balance against what was acknowledged."""

    count: int  #: rows or events
    lost: int  #: acknowledged, but not here
    duplicates: int  #: here more than once
    altered: int  #: here with another value
    unexpected: int  #: here, but never sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Both sides."""

    sent: int
    acknowledged: int
    unheard: int  #: acknowledged by a broker that knew no subscriber
    quarantined: int
    stored: Side
    told: Side
    gaps: int  #: the live stream told that it had to leave something out

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, in words; empty when nothing is lost."""
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


def strike(load: LoadResult, stored: Stored, probe: ProbeResult) -> Balance:
    """Return the balance of a run."""
    sent: dict[Key, int] = {
        (sensor_name(sensor_of(number)), instant): number for number, instant in enumerate(load.published)
    }
    told = (
        ((sensor_name(sensor) if sensor >= 0 else None, instant), value)
        for sensor, instant, value in zip(probe.sensors, probe.phenomenon, probe.values, strict=True)
    )
    return Balance(
        sent=len(load.published),
        acknowledged=sum(load.acknowledged),
        unheard=load.unheard,
        quarantined=sum(stored.quarantined.values()),
        stored=_side((((sensor, time), value) for sensor, time, value in stored.rows), sent, load),
        told=_side(told, sent, load),
        gaps=len(probe.gaps),
    )


def _side(found: Iterable[tuple[Key, float]], sent: dict[Key, int], load: LoadResult) -> Side:
    seen: Counter[Key] = Counter()
    altered = 0
    for key, value in found:
        seen[key] += 1
        number = sent.get(key)
        altered += number is not None and value != value_of(number)
    return Side(
        count=seen.total(),
        lost=sum(load.acknowledged[number] and key not in seen for key, number in sent.items()),
        duplicates=sum(count - 1 for count in seen.values()),
        altered=altered,
        unexpected=sum(key not in sent for key in seen),
    )
