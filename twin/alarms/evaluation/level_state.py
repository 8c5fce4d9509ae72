"""The states of a rule's levels over time: active, or pending towards a change.

Between two points the earlier one holds, as long as it is valid; after that nothing is known. An inactive
level becomes active when its threshold was passed throughout the on-delay; an active one becomes inactive
when it was clear throughout the off-delay. An unknown time interrupts both delays and begins the count of
n-of-m anew, and deactivates nothing. So no state depends on what was long before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twin.alarms.rules.operand import Point
from twin.instant import INSTANT_MIN, Duration, Instant


class ResolvedLevel(NamedTuple):
    """A level of a rule on an entity, with its relative values resolved."""

    severity: int
    raised: float
    clear: float


class LevelConfig(NamedTuple):
    """How values are compared; constant for a rule on an entity."""

    levels: tuple[ResolvedLevel, ...]  #: mildest first
    above: bool
    on_delay: Duration
    off_delay: Duration
    n: int = 1
    of: int = 1


class ConditionValue(NamedTuple):
    """The compared value of a rule at a time."""

    time: Instant
    value: float | None  #: None: the rule does not count at that time, so no level is passed
    valid_until: Instant
    points: tuple[Point, ...]  #: the points behind the value, in the order of the rule's operands


class SeverityChange(NamedTuple):
    """The severity from `time` on."""

    time: Instant
    severity: int  #: 0: cleared
    condition: ConditionValue  #: the value that it follows from
    before: int = 0  #: the severity until then


class LevelState(msgspec.Struct, array_like=True):
    """The state of one level. Mutable."""

    active: bool = False
    pending_since: Instant | None = None  #: when the delay of a pending change began
    recent_bits: int = 0  #: of n-of-m: a bit for each of the last points that was beyond, the newest lowest


class LevelStates(msgspec.Struct, array_like=True):
    """The states of all levels after the points up to a time. Mutable."""

    levels: list[LevelState]
    last: ConditionValue | None = None

    @classmethod
    def initial(cls, config: LevelConfig) -> LevelStates:
        """Return the states before the first point."""
        return cls([LevelState() for _ in config.levels])

    @property
    def time(self) -> Instant:
        """Return the time of the last value."""
        return self.last.time if self.last is not None else INSTANT_MIN

    def severity(self, config: LevelConfig) -> int:
        """Return the severity of the worst active level."""
        return _worst(config, [state.active for state in self.levels])

    def copy(self) -> LevelStates:
        """Return an independent copy."""
        return LevelStates(
            [LevelState(one.active, one.pending_since, one.recent_bits) for one in self.levels], self.last
        )

    def restore_severity(self, severity: int, config: LevelConfig) -> None:
        """Set which levels are active by a known severity; delays of levels that differ begin anew."""
        for resolved, state in zip(config.levels, self.levels, strict=True):
            is_active = resolved.severity <= severity
            if state.active != is_active:
                state.active, state.pending_since = is_active, None

    def on_value(self, value: ConditionValue, config: LevelConfig) -> list[SeverityChange]:
        """Apply a value later than the last one; return the changes, in order of time."""
        changes = self.advance(value.time - 1, config)
        is_continuous = self.last is not None and value.time <= self.last.valid_until
        self.last = value
        was_active, is_changed = [state.active for state in self.levels], False
        for resolved, state in zip(config.levels, self.levels, strict=True):
            if not is_continuous:
                state.pending_since, state.recent_bits = None, 0
            is_changed |= _update_level(state, resolved, value, config)
        if is_changed:
            before, after = _worst(config, was_active), self.severity(config)
            if after != before:
                changes.append(SeverityChange(value.time, after, value, before))
        return changes

    def advance(self, frontier: Instant, config: LevelConfig) -> list[SeverityChange]:
        """Advance the time without a value; return the changes that fell due, in order of time."""
        if self.last is None:
            return []
        for state in self.levels:
            if state.pending_since is not None:
                break
        else:
            return []
        until = min(frontier, self.last.valid_until)
        changes: list[SeverityChange] = []
        dues = {due for state in self.levels if (due := _due(state, config)) is not None and due <= until}
        for due in sorted(dues):
            before = self.severity(config)
            for state in self.levels:
                if _due(state, config) == due:
                    state.active, state.pending_since = not state.active, None
            after = self.severity(config)
            if after != before:
                changes.append(SeverityChange(due, after, self.last, before))
        return changes

    def due(self, config: LevelConfig) -> Instant | None:
        """Return the time of the next change if no value arrives; None: there is none."""
        if self.last is None:
            return None
        dues = [due for state in self.levels if (due := _due(state, config)) is not None]
        earliest = min(dues, default=None)
        return earliest if earliest is not None and earliest <= self.last.valid_until else None


def _worst(config: LevelConfig, active: Sequence[bool]) -> int:
    """Return the severity of the worst active level."""
    worst = 0
    for resolved, is_active in zip(config.levels, active, strict=True):
        if is_active and resolved.severity > worst:
            worst = resolved.severity
    return worst


def _update_level(
    state: LevelState, resolved: ResolvedLevel, condition: ConditionValue, config: LevelConfig
) -> bool:
    """Apply a value to a level; return whether it becomes active or inactive."""
    value = condition.value
    beyond = value is not None and (value >= resolved.raised if config.above else value <= resolved.raised)
    # A level without a deadband has one limit for both: a value that is equal to it is beyond it, not clear.
    clear = not beyond and (
        value is None or (value <= resolved.clear if config.above else value >= resolved.clear)
    )
    if config.of > 1:
        state.recent_bits = (state.recent_bits << 1 | beyond) & ((1 << config.of) - 1)
        has_enough = state.recent_bits.bit_count() >= config.n
        beyond, clear = has_enough, clear and not has_enough
    changes, delay = (clear, config.off_delay) if state.active else (beyond, config.on_delay)
    if not changes:
        state.pending_since = None
        return False
    if state.pending_since is None:
        state.pending_since = condition.time
    if state.pending_since + delay > condition.time:
        return False
    state.active, state.pending_since = not state.active, None
    return True


def _due(state: LevelState, config: LevelConfig) -> Instant | None:
    if state.pending_since is None:
        return None
    return state.pending_since + (config.off_delay if state.active else config.on_delay)


def inert_range(config: LevelConfig, states: LevelStates) -> tuple[float, float] | None:
    """Return (low, high): values strictly between change no level now; None: any value may.

    A run over stored history may skip such values while they follow each other within their validity. If a
    level is active, that holds only for values that count: a value outside the rule's times deactivates it.
    """
    low, high = float("-inf"), float("inf")
    for resolved, state in zip(config.levels, states.levels, strict=True):
        if state.pending_since is not None or (state.recent_bits and config.of > 1):
            return None
        # With n-of-m a level records each value beyond, also while it is active.
        return_bounds = [resolved.clear] if state.active else []
        raise_bounds = [resolved.raised] if not state.active or config.of > 1 else []
        if config.above:
            low, high = max([low, *return_bounds]), min([high, *raise_bounds])
        else:
            low, high = max([low, *raise_bounds]), min([high, *return_bounds])
    return low, high


def severity_timeline(changes: Sequence[SeverityChange]) -> list[tuple[Instant, int]]:
    """Return the (time, severity) pairs by which two series of changes are compared."""
    return [(one.time, one.severity) for one in changes]
