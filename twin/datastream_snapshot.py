"""How a datastream lies in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twin.instant import Instant
from twin.model.observation import Observation
from twin.quality.quality_check import ConstantRun, extend_run
from twin.quality.quality_flags import is_usable
from twin.state.open_windows import OpenWindows


class LastGoodValue(NamedTuple):
    """The newest value that was good enough to take part."""

    value: float
    phenomenon_time: Instant


class FoldedSummary(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of everything up to the newest folded observation."""

    time: Instant
    run: ConstantRun  #: of equal values, ending there
    last_good: LastGoodValue | None
    register: tuple[Instant, float] | None  #: what a counter's next reading is compared with


def summary_after(
    before: FoldedSummary | None, one: Observation, register: tuple[Instant, float] | None
) -> FoldedSummary:
    """Return what is remembered once one more observation is folded; `register` is what a counter reads."""
    if is_usable(one.flags):
        good: LastGoodValue | None = LastGoodValue(one.value, one.phenomenon_time)
    else:
        good = before.last_good if before is not None else None
    run = extend_run(before.run if before is not None else None, one.phenomenon_time, one.value)
    return FoldedSummary(one.phenomenon_time, run, good, register)


def newest_good_value(judged: Sequence[Observation], folded: FoldedSummary | None) -> LastGoodValue | None:
    """Return the newest good value of those that are not folded, ascending, or else of those that are."""
    for one in reversed(judged):
        if is_usable(one.flags):
            return LastGoodValue(one.value, one.phenomenon_time)
    return folded.last_good if folded is not None else None


class DatastreamSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """A datastream in a checkpoint."""

    recent: tuple[Observation, ...]
    #: what judgement and calibration made of some of them: (place, value, flags)
    assessed: tuple[tuple[int, float, int], ...]
    folded_count: int
    folded: FoldedSummary | None
    windows: OpenWindows

    @classmethod
    def of(
        cls,
        kept: Sequence[Observation],
        judged: Sequence[Observation],
        folded_count: int,
        folded: FoldedSummary | None,
        windows: OpenWindows,
    ) -> DatastreamSnapshot:
        """Return the snapshot of what is kept, and of the same judged: the same object where it can be."""
        changed = tuple(
            (place, after.value, after.flags)
            for place, (before, after) in enumerate(zip(kept, judged, strict=True))
            if after is not before
        )
        return cls(tuple(kept), changed, folded_count, folded, windows)

    def assessed_observations(self) -> list[Observation]:
        """Return what is kept as it was judged."""
        judged = list(self.recent)
        for place, value, flags in self.assessed:
            judged[place] = judged[place]._replace(value=value, flags=flags)
        return judged
