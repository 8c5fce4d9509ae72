"""Calibration and maintenance periods of sensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.instant import INSTANT_MAX, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A correction of a sensor's values of one property: `gain × value + offset`, in the canonical unit.

    Valid for phenomenon times start ≤ t < end. Where two overlap, the one that starts later applies.
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
    """A period of work on a sensor: observations that it made then are not used."""

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
    for calibration in reversed(calibrations):
        if calibration.start <= time < calibration.end:
            return calibration
    return None
