"""Operands: the values of an entity that a rule compares, and the points in time at which they are known."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from twin.instant import HOUR, INSTANT_MIN, MINUTE, Duration, Instant

WindowName: TypeAlias = Literal["instant", "minute", "ten_minutes", "hour"]
"""Each value as it is measured, or the value of each closed window of a size."""

WINDOW_SIZES: dict[WindowName, Duration] = {
    "instant": 0,
    "minute": MINUTE,
    "ten_minutes": 10 * MINUTE,
    "hour": HOUR,
}

Statistic: TypeAlias = Literal["value", "minimum", "maximum"]
"""Of a window: the value by the property's aggregation (a mean, a sum …), or its minimum or maximum."""


class Operand(msgspec.Struct, frozen=True):
    """A property, an indicator or a roll-up (`area_…`), of the entity itself or of a related one."""

    name: str
    over: WindowName = "instant"
    statistic: Statistic = "value"
    #: empty: the entity itself; `area`: the area that the entity belongs to; else a type of relation: the
    #: first entity with that relation
    whose: str = ""

    def __str__(self) -> str:
        """Return the operand as people write it.

        >>> str(Operand("pm2_5", "hour")), str(Operand("water_level", whose="drainsTo"))
        ('pm2_5 (hour)', 'drainsTo.water_level')
        >>> str(Operand("area_pm2_5", whose="area"))
        'area.pm2_5'
        """
        own = self.name.removeprefix("area_") if self.whose == "area" else self.name
        name = f"{self.whose}.{own}" if self.whose else own
        size = "" if self.over == "instant" else f" ({self.over.replace('_', ' ')})"
        return name + size if self.statistic == "value" else f"{self.statistic} of {name}{size}"


class ObservationRef(NamedTuple):
    """A reference to an observation behind a point; lineage starts from it."""

    datastream: int
    phenomenon_time: Instant


class Point(NamedTuple):
    """A value of an operand that holds from its time on. The time of a window is its end."""

    time: Instant
    value: float
    flags: int  #: `twin.quality.quality_flags.QualityFlag`
    valid_until: Instant  #: from this time on the value is outdated
    sources: tuple[ObservationRef, ...] = ()

    @classmethod
    def withdrawn(cls, time: Instant) -> Point:
        """Return the point that withdraws the one of its time: there is no value at that time any more.

        >>> Point.withdrawn(0).is_withdrawn, Point(0, 1.5, 0, 60).is_withdrawn
        (True, False)
        """
        return cls(time, float("nan"), 0, INSTANT_MIN)

    @property
    def is_withdrawn(self) -> bool:
        """Whether it withdraws the point of its time."""
        return self.valid_until == INSTANT_MIN


class OperandSeries(NamedTuple):
    """The key of a series of points: the entity and the operand (without `whose`)."""

    entity: str
    name: str
    over: WindowName
    statistic: Statistic
