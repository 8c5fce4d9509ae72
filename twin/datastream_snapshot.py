"""How a datastream lies in a checkpoint."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.instant import Instant
from twin.judgement import Run
from twin.observation import Observation
from twin.open_windows import OpenWindows


class LastGood(NamedTuple):
    """The newest value that was good enough to take part."""

    value: float
    phenomenon_time: Instant


class Folded(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of everything up to the newest folded observation."""

    time: Instant
    run: Run  #: of equal values, ending there
    last_good: LastGood | None
    register: tuple[Instant, float] | None  #: what a counter's next reading is compared with


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """A datastream in a checkpoint."""

    kept: tuple[Observation, ...]
    #: what judgement and calibration made of some of them: (place, value, flags)
    judged: tuple[tuple[int, float, int], ...]
    folded_count: int
    folded: Folded | None
    windows: OpenWindows
