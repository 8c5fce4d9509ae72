"""Windows: aggregates of the observations of a datastream over a minute, ten minutes, an hour of event time.

Windows are half-open and aligned to the epoch: [start, start + size). An accumulator collects the
observations of one window; an aggregate is its emitted result. Only usable values enter the figures; suspect
observations are counted separately.
"""

from __future__ import annotations

import copy
import math

import msgspec

from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import UNUSABLE_FLAGS
from twin.state.sketch import Sketch

VALUES_MAX = 128
"""Greatest number of single values in an accumulator before they go into bins, which takes some 100 µs."""

# A shorter resultant is the rounding error of directions that cancel out: there is no mean direction.
_RESULTANT_MIN = 1e-9

# Aggregations with meaningful percentiles: not the readings of a register, nor degrees on a circle.
_DISTRIBUTED = frozenset({"mean", "sum", "max", "last"})


def window_start(time: Instant, size: Duration) -> Instant:
    """Return the start of the window that contains an instant, also before 1970.

    >>> [window_start(time, 60) for time in (-1, 0, 59, 60)]
    [-60, 0, 0, 60]
    """
    return time - time % size


class WindowAccumulator(msgspec.Struct, array_like=True, gc=False):
    """The observations of one window so far. Mutable; encodes as an array.

    `minimum`, `maximum`, `first` and `last` have no meaning while `count` is 0.
    """

    count: int = 0  #: usable observations
    suspect: int = 0  #: suspect observations
    flags: int = 0  #: all flags of all observations, including suspect ones
    total: float = 0.0  #: sum, in the order of `add`
    minimum: float = math.inf
    maximum: float = -math.inf
    first_time: Instant = INSTANT_MAX + 1
    first: float = 0.0
    last_time: Instant = INSTANT_MIN - 1
    last: float = 0.0
    sine: float = 0.0  #: sum, of circular properties only
    cosine: float = 0.0
    increase: float = 0.0  #: sum, of counters only
    values: list[float] = []  #: single values that are not yet in `bins`
    bins: bytes | None = None  #: an encoded `Sketch`

    def add(self, time: Instant, value: float, flags: int, kind: Aggregation, increase: float = 0.0) -> None:
        """Add one observation; `increase` is that of a counter since its previous usable reading."""
        self.flags |= flags
        if flags & UNUSABLE_FLAGS:
            self.suspect += 1
            return
        self.count += 1
        self.total += value
        if value < self.minimum:  # noqa: PLR1730 - a call of min() costs a fifth of all this
            self.minimum = value
        if value > self.maximum:  # noqa: PLR1730
            self.maximum = value
        if time < self.first_time:
            self.first_time = time
            self.first = value
        if time > self.last_time:
            self.last_time = time
            self.last = value
        if kind in _DISTRIBUTED:
            self.values.append(value)
            if len(self.values) > VALUES_MAX:
                self._fold()
        elif kind == "counter":
            self.increase += increase
        else:
            angle = math.radians(value)
            self.sine += math.sin(angle)
            self.cosine += math.cos(angle)

    def merge(self, other: WindowAccumulator) -> None:
        """Add the content of another accumulator, which does not change.

        Order and grouping of merges change only the last digits of sums, provided that no two accumulators
        hold different values of the same time.
        """
        self.count += other.count
        self.suspect += other.suspect
        self.flags |= other.flags
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if other.first_time < self.first_time:
            self.first_time, self.first = other.first_time, other.first
        if other.last_time > self.last_time:
            self.last_time, self.last = other.last_time, other.last
        self.sine += other.sine
        self.cosine += other.cosine
        self.increase += other.increase
        self.values.extend(other.values)
        if other.bins is not None:
            sketch = self.sketch()
            sketch.merge(Sketch.decode(other.bins))
            self.bins, self.values = sketch.encode(), []
        elif len(self.values) > VALUES_MAX:
            self._fold()

    def copy(self) -> WindowAccumulator:
        """Return an independent copy."""
        twin = copy.copy(self)
        twin.values = self.values.copy()
        return twin

    def sketch(self) -> Sketch:
        """Return the distribution of the usable values; empty for counters and circular properties."""
        sketch = Sketch.decode(self.bins) if self.bins is not None else Sketch()
        sketch.extend(self.values)
        return sketch

    def mean(self, kind: Aggregation) -> float | None:
        """Return the mean of the usable values, by the kind of property.

        None without values, for the readings of a register, and for directions that cancel out (Mardia &
        Jupp, Directional Statistics, 2000, section 2.2).
        """
        if self.count == 0 or kind == "counter":
            return None
        if kind != "circular_mean":
            return self.total / self.count
        if math.hypot(self.sine, self.cosine) < _RESULTANT_MIN * self.count:
            return None
        return math.degrees(math.atan2(self.sine, self.cosine)) % 360.0

    def _fold(self) -> None:
        self.bins, self.values = self.sketch().encode(), []


class Aggregate(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The result of one window of one datastream. A higher revision replaces a lower one.

    Values are in the canonical unit. They are None where the window has no usable observation, or where the
    figure has no meaning for the property: minimum and maximum on a circle, the mean of a register.
    """

    datastream: int
    size: Duration
    start: Instant
    revision: int  #: log time of the emission, in microseconds
    count: int  #: usable observations
    suspect: int  #: suspect observations, which are not used
    expected: float  #: number of observations by the sensor's interval; less than 1 when that is longer
    flags: int  #: all flags of all observations, including suspect ones
    minimum: float | None
    maximum: float | None
    mean: float | None  #: of a circular property the mean direction
    total: float | None  #: the sum where values add up, the increase of a counter, else None
    first: float | None  #: by event time
    last: float | None
    sketch: bytes  #: `twin.state.sketch.Sketch`; empty where percentiles have no meaning

    @property
    def coverage(self) -> float | None:
        """The share of the expected observations that were usable, at most 1; None when none is expected."""
        return min(1.0, self.count / self.expected) if self.expected > 0 else None


def aggregate_of(
    accumulator: WindowAccumulator,
    *,
    datastream: int,
    size: Duration,
    start: Instant,
    revision: int,
    interval: Duration,
    kind: Aggregation,
) -> Aggregate:
    """Return the aggregate of an accumulator."""
    usable = accumulator.count > 0
    circular = kind == "circular_mean"
    total = None
    if usable and kind == "sum":
        total = accumulator.total
    elif usable and kind == "counter":
        total = accumulator.increase
    return Aggregate(
        datastream=datastream,
        size=size,
        start=start,
        revision=revision,
        count=accumulator.count,
        suspect=accumulator.suspect,
        expected=size / interval if interval > 0 else 0.0,
        flags=accumulator.flags,
        minimum=accumulator.minimum if usable and not circular else None,
        maximum=accumulator.maximum if usable and not circular else None,
        mean=accumulator.mean(kind),
        total=total,
        first=accumulator.first if usable else None,
        last=accumulator.last if usable else None,
        sketch=accumulator.sketch().encode(),
    )
