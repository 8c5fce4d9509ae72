"""Parts of a bucket: what one datastream has in it, from one source, and what all parts come to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any, Literal, TypeAlias

from twin.instant import Instant
from twin.observed_property import Aggregation, Combination
from twin.sketch import Sketch, merged

Aggregate: TypeAlias = Literal["mean", "min", "max", "sum", "count", "first", "last", "p50", "p95"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "min", "max", "sum", "count", "first", "last", "p50", "p95")

Figures: TypeAlias = dict[Aggregate, float | None]

PERCENTILES: dict[Aggregate, float] = {"p50": 0.5, "p95": 0.95}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The observations of one stretch of time, aggregated."""

    start: Instant
    end: Instant  #: exclusive; may lie beyond the range that was asked for, as `start` may before it
    count: int  #: of usable observations within the bucket and the range
    coverage: float | None  #: usable / expected, 0 to 1; None where no datastream was known yet
    flags: int  #: all flags that any of them has, the suspect ones too
    values: Figures  #: one for each aggregate that was asked for; None without usable data
    suspect: int = 0  #: of observations that were not used


@dataclass(slots=True)
class Part:
    """What the usable observations of one datastream come to; mutable while parts are brought together."""

    count: int = 0
    suspect: int = 0
    flags: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    first: float | None = None
    last: float | None = None
    sine: float = 0.0
    cosine: float = 0.0
    increase: float = 0.0
    values: list[float] = field(default_factory=list)  #: single ones, where percentiles are asked for
    sketch: Sketch | None = None  #: of those that are stored as aggregates

    @classmethod
    def of(cls, row: Sequence[Any]) -> Part:
        """Return the part that a row of `list_buckets` and its like holds, without bucket and datastream."""
        count, suspect, flags, total, low, high, first, last, sine, cosine, values, increase, sketches = row
        part = cls(count=count, suspect=suspect, flags=flags)
        if count:
            part.first, part.last = first, last
            part.total = total or 0.0
            part.minimum = low if low is not None else math.inf
            part.maximum = high if high is not None else -math.inf
            part.sine, part.cosine = sine or 0.0, cosine or 0.0
            part.increase = increase or 0.0
        part.values = values or []
        if sketches:
            part.sketch = merged(sketches)
        return part

    def add(self, later: Part) -> None:
        """Take in the part of the same bucket that comes after this one."""
        self.count += later.count
        self.suspect += later.suspect
        self.flags |= later.flags
        self.total += later.total
        self.minimum = min(self.minimum, later.minimum)
        self.maximum = max(self.maximum, later.maximum)
        self.first = self.first if self.first is not None else later.first
        self.last = later.last if later.last is not None else self.last
        self.sine += later.sine
        self.cosine += later.cosine
        self.increase += later.increase
        self.values = self.values + later.values
        if later.sketch is not None:
            self.sketch = self.sketch or Sketch()
            self.sketch.merge(later.sketch)

    def figures(self, wanted: Iterable[Aggregate], kind: Aggregation) -> Figures:
        """Return aggregates, None where there is none.

        On a circle only the mean direction, the first and the last mean something; of a register the sum is
        its increase, and neither mean nor percentiles mean anything.
        """
        known: Figures = {"count": float(self.count)}
        if self.count:
            known |= {"first": self.first, "last": self.last}
            if kind == "circular_mean":
                known["mean"] = math.degrees(math.atan2(self.sine, self.cosine)) % 360.0
            else:
                known |= {"min": self.minimum, "max": self.maximum}
                known["sum"] = self.increase if kind == "counter" else self.total
                if kind != "counter":
                    known["mean"] = self.total / self.count
        return {
            one: known.get(one) if one not in PERCENTILES else self._percentile(one, kind) for one in wanted
        }

    def _percentile(self, name: Aggregate, kind: Aggregation) -> float | None:
        if kind in {"counter", "circular_mean"} or not (self.values or self.sketch):
            return None
        if self.sketch is None:
            return interpolated(sorted(self.values), PERCENTILES[name])
        whole = Sketch(self.values)
        whole.merge(self.sketch)
        return whole.quantile(PERCENTILES[name])


def interpolated(ascending: Sequence[float], share: float) -> float:
    """Return a percentile, between the two nearest values where it lies between them.

    Definition 7 of Hyndman & Fan, Sample quantiles in statistical packages, The American Statistician 50,
    1996; PostgreSQL's percentile_cont is the same.

    >>> interpolated([1.0, 2.0, 4.0], 0.75)
    3.0
    """
    place = share * (len(ascending) - 1)
    below = floor(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (place - below) * (ascending[above] - ascending[below])


def combined(
    parts: Sequence[Part], wanted: Sequence[Aggregate], kind: Aggregation, combination: Combination
) -> Figures:
    """Return the aggregates of a bucket from the parts of its datastreams, which stay as they are.

    Where datastreams add up ("sum"), each aggregate is computed for each and these are added. Otherwise all
    values count alike, whichever datastream they are of; only increases of registers are always added.
    """
    if len(parts) == 1:
        return parts[0].figures(wanted, kind)
    if combination != "sum":
        pool = Part()
        for one in parts:
            pool.add(one)
        return pool.figures(wanted, kind)
    each = [one.figures(wanted, kind) for one in parts]
    added: Figures = {}
    for name in wanted:
        found = [value for one in each if (value := one[name]) is not None]
        added[name] = sum(found) if found else None
    return added
