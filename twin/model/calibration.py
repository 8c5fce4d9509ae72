"""Calibrations and maintenance: what is known about a sensor from a time until a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.instant import INSTANT_MAX, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a sensor's values of one property are corrected: `gain × value + offset`, in the canonical unit.

    In force for phenomenon times start ≤ t < end. Where two overlap, the one that starts later holds.
    """

    sensor: str
    property: str
    start: Instant
    end: Instant = INSTANT_MAX
    gain: float = 1.0
    offset: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A time during which somebody worked on a sensor: what it measured then does not count."""

    sensor: str
    start: Instant
    end: Instant = INSTANT_MAX
    note: str = ""


def calibration_at(calibrations: Sequence[Calibration], time: Instant) -> Calibration | None:
    """Return the calibration for a phenomenon time, or None; `calibrations` are ordered by their start.

    >>> first = Calibration(sensor="s", property="p", start=10, end=30)
    >>> second = Calibration(sensor="s", property="p", start=20)
    >>> [calibration_at((first, second), time) for time in (9, 10, 20)] == [None, first, second]
    True
    """
    for one in reversed(calibrations):
        if one.start <= time < one.end:
            return one
    return None
