"""Window history: the last closed windows of one property of an entity, for indicators over past windows."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.indicators.indicator import InputValue
from twin.indicators.validity import is_valid
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, Duration, Instant
from twin.model.observed_property import ObservedProperty
from twin.quality.quality_flags import UNUSABLE_FLAGS
from twin.state.combination import combine_values
from twin.state.window import Aggregate

HISTORY_SPANS: dict[Duration, Duration] = {MINUTE: 8 * MINUTE, 10 * MINUTE: 6 * HOUR, HOUR: 2 * DAY}
"""For how long before the newest window windows are remembered, by size.

Two days of hours: a mean of 24 hours can be computed again for each hour of a day.
"""


class WindowValue(NamedTuple):
    """The value of one datastream in one window."""

    value: float
    flags: int
    count: int  # type: ignore[assignment]  #: usable observations
    coverage: float
    minimum: float | None = None
    maximum: float | None = None


class NewestWindow(NamedTuple):
    """The newest window of one datastream, whether it has a value or not."""

    start: Instant
    #: flags of the observations that were not usable, where too few were usable; else 0
    failure_flags: int


class WindowHistory(msgspec.Struct, array_like=True):
    """The newest windows of one property and size, by start, of each datastream of the entity. Mutable."""

    windows: dict[Instant, dict[int, WindowValue]] = msgspec.field(default_factory=dict)
    newest: dict[int, NewestWindow] = msgspec.field(default_factory=dict)  #: by datastream
    floor: Instant = INSTANT_MIN  #: windows up to this start are not remembered
    #: the newest start of a window that is forgotten; None only in a checkpoint of version 0.1
    forgotten: Instant | None = None
    #: (datastream, hour) of windows that storage has not computed yet, at the beginning of a log
    missing: set[tuple[int, Instant]] = msgspec.field(default_factory=set)
    #: by start and datastream, also of windows without a value
    revisions: dict[Instant, dict[int, int]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Assume that windows before the remembered ones are forgotten, where a checkpoint does not say."""
        if self.forgotten is None:
            self.forgotten = min(self.windows) - 1 if self.windows else INSTANT_MIN
            self.floor = self.forgotten

    @property
    def complete_after(self) -> Instant:
        """The start after which every window is remembered."""
        assert self.forgotten is not None  # noqa: S101 - set by __post_init__
        if not self.missing:
            return self.forgotten
        return max(self.forgotten, max(hour for _, hour in self.missing) + HOUR - 1)

    def assume_forgotten(self) -> None:
        """Assume that windows were forgotten up to the floor: the history was restored from the newest."""
        self.note_forgotten(self.floor)

    def note_forgotten(self, start: Instant) -> None:
        """Note that there is a window which is not remembered."""
        assert self.forgotten is not None  # noqa: S101 - set by __post_init__
        self.forgotten = max(self.forgotten, start)

    def is_outdated(self, aggregate: Aggregate) -> bool:
        """Whether a later revision of a window is known."""
        known = self.revisions.get(aggregate.start, {}).get(aggregate.datastream)
        return known is not None and known > aggregate.revision

    def add(self, aggregate: Aggregate) -> bool:
        """Add an emitted window; return whether it changes the history.

        Ignore a window that is too old. Remove a window that has no value any more, because its observations
        were found suspect.
        """
        if aggregate.start <= self.floor:
            self.note_forgotten(aggregate.start)
            return False
        self.revisions.setdefault(aggregate.start, {})[aggregate.datastream] = aggregate.revision
        self.missing.discard((aggregate.datastream, aggregate.start - aggregate.start % HOUR))
        has_failure_changed = self._note_newest(aggregate)
        value = aggregate.total if aggregate.total is not None else aggregate.mean
        by_datastream = self.windows.get(aggregate.start)
        if value is None:
            is_removed = (
                by_datastream is not None and by_datastream.pop(aggregate.datastream, None) is not None
            )
            return is_removed or has_failure_changed
        if by_datastream is None:
            by_datastream = self.windows[aggregate.start] = {}
        coverage = aggregate.coverage
        by_datastream[aggregate.datastream] = WindowValue(
            value,
            aggregate.flags,
            aggregate.count,
            coverage if coverage is not None else 0.0,
            aggregate.minimum,
            aggregate.maximum,
        )
        return True

    def forget(self, size: Duration) -> None:
        """Forget the windows that are too old by now."""
        if not self.newest:
            return
        floor = max(one.start for one in self.newest.values()) - HISTORY_SPANS[size]
        if floor > self.floor:
            self.floor = floor
            for start in [one for one in self.windows if one <= floor]:
                self.note_forgotten(start)
                del self.windows[start]
            for start in [one for one in self.revisions if one <= floor]:
                del self.revisions[start]
            for one in [one for one in self.missing if one[1] + HOUR - 1 <= floor]:
                self.note_forgotten(one[1] + HOUR - 1)
                self.missing.remove(one)

    def _note_newest(self, aggregate: Aggregate) -> bool:
        """Note the newest window of a datastream; return whether it starts or ceases to fail."""
        known = self.newest.get(aggregate.datastream)
        if known is not None and aggregate.start < known.start:
            return False
        end = NewestWindow(
            aggregate.start, 0 if is_valid(aggregate.coverage or 0.0) else aggregate.flags & UNUSABLE_FLAGS
        )
        self.newest[aggregate.datastream] = end
        return end != known and bool(end.failure_flags or (known is not None and known.failure_flags))

    def failure(self, property: ObservedProperty, size: Duration) -> NewestWindow | None:
        """Return the flags by which the entity's newest window of this size failed; None where it has a
        value.

        One sensor that has not failed suffices, even while its window is not closed yet; a sum needs all.
        """
        newest = max((one.start for one in self.newest.values()), default=0)
        recent = [one for one in self.newest.values() if one.start >= newest - size]
        is_failed = any if property.combination == "sum" else all
        if not recent or not is_failed(one.failure_flags for one in recent):
            return None
        values = self.values(property)
        if values and values[-1].time >= newest and is_valid(values[-1].coverage):
            return None
        flags = 0
        for window in recent:
            flags |= window.failure_flags
        return NewestWindow(newest, flags)

    def values(self, property: ObservedProperty) -> list[InputValue]:
        """Return the entity's value in each window, oldest first: its datastreams combined.

        Suspect observations do not enter a window, so their flags do not, either. A datastream with too low
        coverage is left out, and does not lower the coverage of the others. Only a sum needs all of its
        parts, and has their mean coverage.
        """
        values = (self.value(start, property, 0) for start in sorted(self.windows))
        return [one for one in values if one is not None]

    def value(self, start: Instant, property: ObservedProperty, size: Duration) -> InputValue | None:
        """Return the entity's value in the window of a size; None where no datastream counts."""
        parts = [one for _, one in self.parts(start, property)]
        if not parts:
            return None
        if len(parts) == 1:
            only = parts[0]
            return InputValue(only.value, start, 0, only.count, only.coverage, size)
        value = combine_values(property.combination, [one.value for one in parts])
        coverage = sum(one.coverage for one in parts) / len(parts)
        return InputValue(value, start, 0, sum(one.count for one in parts), coverage, size)

    def parts(self, start: Instant, property: ObservedProperty) -> list[tuple[int, WindowValue]]:
        """Return the datastreams that count in a window, with their values, by id."""
        found = self.windows.get(start)
        if not found:
            return []
        is_sum = property.combination == "sum"
        return [
            (id, aggregate)
            for id, aggregate in (sorted(found.items()) if len(found) > 1 else found.items())
            if aggregate.count and (is_sum or is_valid(aggregate.coverage))
        ]
