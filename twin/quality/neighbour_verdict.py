"""Verdicts: whether the neighbours of an entity outvote its value of a property."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue


class NeighbourVerdict(NamedTuple):
    """The result of an area's comparison for one of its entities. Valid until the area revises it."""

    entity: str
    property: str
    area: str  #: that compared the values: an area revises its own verdicts only
    deviates: bool  #: False withdraws it
    last_good: LastGoodValue | None  #: the last value that the area received and accepted
    revision: Instant  #: log time at which the area emitted it


def effective_verdict(verdicts: Iterable[NeighbourVerdict], model: CityModel) -> NeighbourVerdict | None:
    """Return a verdict that the entity deviates, from an area that contains it; None without one.

    Of several verdicts it is the one with the newest good value.
    """
    effective = [one for one in verdicts if one.deviates and _lies_in(one.entity, one.area, model)]
    return max(effective, key=lambda one: (_time_of(one.last_good), one.area), default=None)


def _time_of(last_good: LastGoodValue | None) -> tuple[bool, Instant]:
    return (False, 0) if last_good is None else (True, last_good.phenomenon_time)


def _lies_in(entity: str, area: str, model: CityModel) -> bool:
    ancestor = model.entities.get(entity)
    while ancestor is not None and ancestor.id != area:
        ancestor = model.entities.get(ancestor.parent) if ancestor.parent is not None else None
    return ancestor is not None
