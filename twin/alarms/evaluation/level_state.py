"""The progress of a rule over time: which of its levels hold, and which are about to.

Between two points the earlier one holds, for as long as it is valid; after that nothing is known. A level
that is not held and whose threshold is passed is held once it was passed throughout the on-delay; one that is
held goes once it was clear throughout the off-delay. What is not known interrupts both, and ends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twin.alarms.rules.operand import Point
from twin.instant import INSTANT_MIN, Duration, Instant


class ResolvedLevel(NamedTuple):
    """A level of a rule as it is evaluated: relative values resolved."""

    severity: int
    raised: float
    clear: float


class LevelConfig(NamedTuple):
    """How a judged value is compared; the same at every point."""

    levels: tuple[ResolvedLevel, ...]  #: mildest first
    above: bool
    on_delay: Duration
    off_delay: Duration
    n: int = 1
    of: int = 1


class ConditionValue(NamedTuple):
    """What a rule makes of its operands at a time."""

    time: Instant
    value: float | None  #: what is compared; None: the rule does not count at that time, so nothing is wrong
    valid_until: Instant
    points: tuple[Point, ...]  #: behind it, in the order of the rule's operands


class SeverityChange(NamedTuple):
    """From `time` on it is this bad."""

    time: Instant
    severity: int  #: 0: nothing is wrong any more
    condition: ConditionValue  #: that it follows from


class LevelState(msgspec.Struct, array_like=True):
    """One level. Mutable."""

    active: bool = False
    pending_since: Instant | None = None  #: from when on the change that is about to come has been due
    recent_bits: int = 0  #: whether each of the last points was beyond, the newest lowest; of n-of-m only


class LevelStates(msgspec.Struct, array_like=True):
    """Where a rule is after all points up to a time. Mutable."""

    levels: list[LevelState]
    last: ConditionValue | None = None

    @classmethod
    def initial(cls, terms: LevelConfig) -> LevelStates:
        """Return the progress before the first point."""
        return cls([LevelState() for _ in terms.levels])

    @property
    def time(self) -> Instant:
        """Return the time of the last point."""
        return self.last.time if self.last is not None else INSTANT_MIN

    def severity(self, terms: LevelConfig) -> int:
        """Return how bad it is now."""
        held = (
            crossing.severity
            for crossing, level in zip(terms.levels, self.levels, strict=True)
            if level.active
        )
        return max(held, default=0)

    def copy(self) -> LevelStates:
        """Return one that is at the same place, and goes on by itself."""
        return LevelStates(
            [LevelState(one.active, one.pending_since, one.recent_bits) for one in self.levels], self.last
        )

    def on_value(self, judged: ConditionValue, terms: LevelConfig) -> list[SeverityChange]:
        """Go on to a point, later than the last one; return what changed, in order of time."""
        shifts = self.advance(judged.time - 1, terms)
        known = self.last is not None and judged.time <= self.last.valid_until
        self.last = judged
        before = self.severity(terms)
        for crossing, level in zip(terms.levels, self.levels, strict=True):
            if not known:
                level.pending_since = None
            _meet(level, crossing, judged, terms)
        after = self.severity(terms)
        if after != before:
            shifts.append(SeverityChange(judged.time, after, judged))
        return shifts

    def advance(self, frontier: Instant, terms: LevelConfig) -> list[SeverityChange]:
        """Let time pass without a point; return what fell due, in order of time."""
        if self.last is None or all(level.pending_since is None for level in self.levels):
            return []
        until = min(frontier, self.last.valid_until)
        shifts: list[SeverityChange] = []
        dues = {due for level in self.levels if (due := _due(level, terms)) is not None and due <= until}
        for due in sorted(dues):
            before = self.severity(terms)
            for level in self.levels:
                if _due(level, terms) == due:
                    level.active, level.pending_since = not level.active, None
            after = self.severity(terms)
            if after != before:
                shifts.append(SeverityChange(due, after, self.last))
        return shifts

    def due(self, terms: LevelConfig) -> Instant | None:
        """Return when something changes if no point comes; None: nothing does."""
        if self.last is None:
            return None
        dues = [due for level in self.levels if (due := _due(level, terms)) is not None]
        earliest = min(dues, default=None)
        return earliest if earliest is not None and earliest <= self.last.valid_until else None


def _meet(level: LevelState, crossing: ResolvedLevel, judged: ConditionValue, terms: LevelConfig) -> None:
    value = judged.value
    beyond = value is not None and (value >= crossing.raised if terms.above else value <= crossing.raised)
    clear = value is None or (value <= crossing.clear if terms.above else value >= crossing.clear)
    if terms.of > 1:
        level.recent_bits = (level.recent_bits << 1 | beyond) & ((1 << terms.of) - 1)
        enough = level.recent_bits.bit_count() >= terms.n
        beyond, clear = enough, clear and not enough
    changes, delay = (clear, terms.off_delay) if level.active else (beyond, terms.on_delay)
    if not changes:
        level.pending_since = None
        return
    if level.pending_since is None:
        level.pending_since = judged.time
    if level.pending_since + delay <= judged.time:
        level.active, level.pending_since = not level.active, None


def _due(level: LevelState, terms: LevelConfig) -> Instant | None:
    if level.pending_since is None:
        return None
    return level.pending_since + (terms.off_delay if level.active else terms.on_delay)


def inert_range(terms: LevelConfig, progress: LevelStates) -> tuple[float, float] | None:
    """Return (low, high): judged values strictly between change nothing now; None: any value may.

    So a run over stored history may pass over them, as long as they follow each other. Where something is
    held, that is true of values that count: one that does not ends it.
    """
    low, high = float("-inf"), float("inf")
    every = (1 << terms.of) - 1
    for crossing, level in zip(terms.levels, progress.levels, strict=True):
        if level.pending_since is not None or level.recent_bits not in (0, every):
            return None
        # Of n-of-m any value beyond is remembered, also by a level that is held; where all of the last were
        # beyond, one that is not.
        met = [crossing.raised if level.recent_bits else crossing.clear] if level.active else []
        passed = [crossing.raised] if not level.active or (terms.of > 1 and not level.recent_bits) else []
        if terms.above:
            low, high = max([low, *met]), min([high, *passed])
        else:
            low, high = max([low, *passed]), min([high, *met])
    return low, high


def severity_timeline(shifts: Sequence[SeverityChange]) -> list[tuple[Instant, int]]:
    """Return what two courses are compared by: when it became how bad."""
    return [(one.time, one.severity) for one in shifts]
