"""Trail: the last closed windows of one property of an entity, for the indicators that look back."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.indicators.indicator import InputValue
from twin.indicators.validity import is_valid
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.observed_property import ObservedProperty
from twin.quality.quality_flags import UNUSABLE_FLAGS
from twin.state.combination import combine_values
from twin.state.window import Aggregate

WINDOWS_MAX: dict[Duration, int] = {MINUTE: 8, 10 * MINUTE: 8, HOUR: 26}
"""How many windows are remembered, by their size: a day of hours, and room for those still amended."""


class WindowValue(NamedTuple):
    """What one datastream came to in one window."""

    value: float
    flags: int
    count: int  # type: ignore[assignment]  #: usable observations
    coverage: float
    minimum: float | None = None
    maximum: float | None = None


class NewestWindow(NamedTuple):
    """The newest window of one datastream, whether it has a value or not."""

    start: Instant
    failure_flags: (
        int  #: the flags that kept it from being measured enough; 0: it is, or nothing is known against it
    )


class WindowHistory(msgspec.Struct, array_like=True):
    """The newest windows of one property and size, by start, of each datastream of the entity. Mutable."""

    windows: dict[Instant, dict[int, WindowValue]] = msgspec.field(default_factory=dict)
    newest: dict[int, NewestWindow] = msgspec.field(default_factory=dict)  #: by datastream

    def add(self, aggregate: Aggregate) -> bool:
        """Take in a window as it was told; return whether it says anything new.

        A window older than all that are remembered is passed over: what is kept is the newest of the set. One
        that has no value any more, because all in it was judged again, is forgotten.
        """
        turned = self._note_end(aggregate)
        value = aggregate.total if aggregate.total is not None else aggregate.mean
        of_start = self.windows.get(aggregate.start)
        if value is None:
            forgotten = of_start is not None and of_start.pop(aggregate.datastream, None) is not None
            return forgotten or turned
        if of_start is None:
            if len(self.windows) >= WINDOWS_MAX[aggregate.size]:
                oldest = min(self.windows)
                if aggregate.start < oldest:
                    return turned
                del self.windows[oldest]
            of_start = self.windows[aggregate.start] = {}
        coverage = aggregate.coverage
        of_start[aggregate.datastream] = WindowValue(
            value,
            aggregate.flags,
            aggregate.count,
            coverage if coverage is not None else 0.0,
            aggregate.minimum,
            aggregate.maximum,
        )
        return True

    def _note_end(self, aggregate: Aggregate) -> bool:
        """Remember the newest window of a datastream; return whether one failed, or no longer does."""
        known = self.newest.get(aggregate.datastream)
        if known is not None and aggregate.start < known.start:
            return False
        end = NewestWindow(
            aggregate.start, 0 if is_valid(aggregate.coverage or 0.0) else aggregate.flags & UNUSABLE_FLAGS
        )
        self.newest[aggregate.datastream] = end
        return end != known and bool(end.failure_flags or (known is not None and known.failure_flags))

    def failure(self, property: ObservedProperty, size: Duration) -> NewestWindow | None:
        """Return what the entity's newest window of this size failed by, or None where it has a value.

        One sensor that has not failed speaks for the others, also while its window is not closed yet; a sum
        needs all of them.
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
        for one in recent:
            flags |= one.failure_flags
        return NewestWindow(newest, flags)

    def values(self, property: ObservedProperty) -> list[InputValue]:
        """Return the entity's value in each window, oldest first: its datastreams combined.

        Suspect observations are not in a window's value, so their flags do not follow it. A datastream that
        did not measure enough of a window is left out: it neither enters the value nor takes the coverage of
        the others away. Only a sum needs all of its parts, and has their mean coverage.
        """
        found = []
        for start in sorted(self.windows):
            parts = [one for _, one in self.parts(start, property)]
            if parts:
                value = combine_values(property.combination, [one.value for one in parts])
                coverage = sum(one.coverage for one in parts) / len(parts)
                found.append(InputValue(value, start, 0, sum(one.count for one in parts), coverage))
        return found

    def parts(self, start: Instant, property: ObservedProperty) -> list[tuple[int, WindowValue]]:
        """Return the datastreams that count in a window, with what they came to, by id."""
        is_sum = property.combination == "sum"
        return [
            (id, one)
            for id, one in sorted(self.windows.get(start, {}).items())
            if one.count and (is_sum or is_valid(one.coverage))
        ]
