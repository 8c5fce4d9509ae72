"""Windows: what the observations of a datastream come to in a minute, ten minutes, an hour of event time.

Windows are half-open and aligned to the epoch: [start, start + size). An accumulator takes in the
observations of one window; an aggregate is what is told of it. Only usable values count; the others are
counted beside.
"""

from __future__ import annotations

import copy
import math

import msgspec

from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.state.sketch import Sketch

VALUES_MAX = 128
"""So many values wait in an accumulator before they are counted in bins: each time costs some 100 µs."""

# A resultant shorter than this is the rounding of directions that cancel out: there is no mean direction.
_RESULTANT_MIN = 1e-9

# Aggregations of which percentiles say something: not of a register's reading, nor of degrees on a circle.
_DISTRIBUTED = frozenset({"mean", "sum", "max", "last"})

# Any of these keeps a value out. A plain integer: the operators of an enumeration cost a microsecond each.
_UNUSABLE = sum(int(flag) for flag in QualityFlag if not is_usable(flag))


def window_start(time: Instant, size: Duration) -> Instant:
    """Return the start of the window that an instant lies in, also before 1970.

    >>> [window_start(time, 60) for time in (-1, 0, 59, 60)]
    [-60, 0, 0, 60]
    """
    return time - time % size


class WindowAccumulator(msgspec.Struct, array_like=True, gc=False):
    """What the observations of one window come to so far. Mutable; encodes as an array.

    `minimum`, `maximum`, `first` and `last` mean nothing while `count` is 0.
    """

    count: int = 0  #: usable observations
    suspect: int = 0  #: observations that do not take part
    flags: int = 0  #: all flags of all of them, of the suspect ones too
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
    values: list[float] = []  #: those that are not yet in `bins`
    bins: bytes | None = None  #: an encoded `Sketch`

    def add(self, time: Instant, value: float, flags: int, kind: Aggregation, increase: float = 0.0) -> None:
        """Take in one observation; `increase` is what a counter counted since the usable one before it."""
        self.flags |= flags
        if flags & _UNUSABLE:
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
        """Take in all that another one holds; the other stays as it is.

        The order and grouping of merges changes sums in their last digits only, and nothing else, as long as
        no two hold different values of the same time.
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
        """Return one that holds the same, and changes by itself."""
        twin = copy.copy(self)
        twin.values = self.values.copy()
        return twin

    def sketch(self) -> Sketch:
        """Return how the usable values are distributed; empty for counters and circular properties."""
        found = Sketch.decode(self.bins) if self.bins is not None else Sketch()
        found.extend(self.values)
        return found

    def mean(self, kind: Aggregation) -> float | None:
        """Return the mean of the usable values, by the kind of property.

        None of no values, of a register's readings, and of directions that cancel out (Mardia & Jupp,
        Directional Statistics, 2000, section 2.2).
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
    """What is told of one window of one datastream. A higher revision replaces a lower one.

    Values are in the canonical unit, and None where no usable observation lies in the window or the figure
    means nothing for the property: minimum and maximum on a circle, the mean of a register.
    """

    datastream: int
    size: Duration
    start: Instant
    revision: int  #: log time of the emission, in microseconds
    count: int  #: usable observations
    suspect: int  #: observations that were not used
    expected: float  #: observations that the sensor's interval lets expect; less than 1 when it is longer
    flags: int  #: all flags of all observations, of the suspect ones too
    minimum: float | None
    maximum: float | None
    mean: float | None  #: of a circular property the mean direction
    total: float | None  #: the sum where the property adds up, a counter's increase, else None
    first: float | None  #: by event time
    last: float | None
    sketch: bytes  #: `twin.state.sketch.Sketch`; empty where percentiles mean nothing

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
    """Return what an accumulator holds as an aggregate."""
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
