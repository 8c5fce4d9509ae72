"""Operands: which values of an entity a rule looks at, and the points in time at which they are known."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from twin.instant import HOUR, MINUTE, Duration, Instant

WindowName: TypeAlias = Literal["instant", "minute", "ten_minutes", "hour"]
"""Each value as it is measured, or the value of each closed window."""

WINDOW_SIZES: dict[WindowName, Duration] = {
    "instant": 0,
    "minute": MINUTE,
    "ten_minutes": 10 * MINUTE,
    "hour": HOUR,
}

Statistic: TypeAlias = Literal["value", "minimum", "maximum"]
"""Of a window: what the property's aggregation says (a mean, a sum …), or its least or greatest value."""


class Operand(msgspec.Struct, frozen=True):
    """A property, an indicator or a roll-up (`area_…`), of the entity itself or of a related one."""

    name: str
    over: WindowName = "instant"
    statistic: Statistic = "value"
    #: empty: the entity's own; `area`: of the area that it belongs to; else a type of relation: of the first
    #: entity that is so related
    whose: str = ""

    def __str__(self) -> str:
        """Return how people write it.

        >>> str(Operand("pm2_5", "hour")), str(Operand("water_level", whose="drainsTo"))
        ('pm2_5 (hour)', 'drainsTo.water_level')
        """
        name = f"{self.whose}.{self.name}" if self.whose else self.name
        size = "" if self.over == "instant" else f" ({self.over.replace('_', ' ')})"
        return name + size if self.statistic == "value" else f"{self.statistic} of {name}{size}"


class ObservationRef(NamedTuple):
    """An observation behind a point: provenance leads on from it."""

    datastream: int
    phenomenon_time: Instant


class Point(NamedTuple):
    """A value of an operand, from its time on. A window speaks for its end, from there on."""

    time: Instant
    value: float
    flags: int  #: `twin.quality.quality_flags.QualityFlag`
    valid_until: Instant  #: from then on it does not speak for the present any more
    sources: tuple[ObservationRef, ...] = ()


class OperandSeries(NamedTuple):
    """Which series of points: of which entity, of which operand (without `whose`)."""

    entity: str
    name: str
    over: WindowName
    statistic: Statistic
