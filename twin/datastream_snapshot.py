"""How a datastream lies in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twin.instant import Instant
from twin.model.observation import Observation
from twin.quality.quality_check import Run, extend
from twin.quality.quality_flags import takes_part
from twin.state.open_windows import OpenWindows


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


def folded_after(before: Folded | None, one: Observation, register: tuple[Instant, float] | None) -> Folded:
    """Return what is remembered once one more observation is folded; `register` is what a counter reads."""
    if takes_part(one.flags):
        good: LastGood | None = LastGood(one.value, one.phenomenon_time)
    else:
        good = before.last_good if before is not None else None
    run = extend(before.run if before is not None else None, one.phenomenon_time, one.value)
    return Folded(one.phenomenon_time, run, good, register)


def last_good_among(judged: Sequence[Observation], folded: Folded | None) -> LastGood | None:
    """Return the newest good value of those that are not folded, ascending, or else of those that are."""
    for one in reversed(judged):
        if takes_part(one.flags):
            return LastGood(one.value, one.phenomenon_time)
    return folded.last_good if folded is not None else None


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """A datastream in a checkpoint."""

    kept: tuple[Observation, ...]
    #: what judgement and calibration made of some of them: (place, value, flags)
    judged: tuple[tuple[int, float, int], ...]
    folded_count: int
    folded: Folded | None
    windows: OpenWindows

    @classmethod
    def of(
        cls,
        kept: Sequence[Observation],
        judged: Sequence[Observation],
        folded_count: int,
        folded: Folded | None,
        windows: OpenWindows,
    ) -> Snapshot:
        """Return the snapshot of what is kept, and of the same judged: the same object where it can be."""
        changed = tuple(
            (place, after.value, after.flags)
            for place, (before, after) in enumerate(zip(kept, judged, strict=True))
            if after is not before
        )
        return cls(tuple(kept), changed, folded_count, folded, windows)

    def judged_observations(self) -> list[Observation]:
        """Return what is kept as it was judged."""
        judged = list(self.kept)
        for place, value, flags in self.judged:
            judged[place] = judged[place]._replace(value=value, flags=flags)
        return judged
