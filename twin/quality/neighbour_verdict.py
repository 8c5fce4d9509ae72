"""Verdict: what the neighbours of an entity say of one of its properties, and whether the entity heeds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue


class NeighbourVerdict(NamedTuple):
    """What the entities of one area say of a property of one of them. It stands until the area revises it."""

    entity: str
    property: str
    area: str  #: whose entities were asked: each area revises its own verdicts only
    deviates: bool  #: False withdraws it
    last_good: LastGoodValue | None  #: the last value that the area heard before and took for good
    revision: Instant  #: log time at which the area told it


def effective_verdict(verdicts: Iterable[NeighbourVerdict], model: CityModel) -> NeighbourVerdict | None:
    """Return a verdict that the entity deviates, of an area that it lies in by the model; None without one.

    Of several it is the one that knows the newest good value.
    """
    found = [one for one in verdicts if one.deviates and _lies_in(one.entity, one.area, model)]
    return max(found, key=lambda one: (_known_until(one.last_good), one.area), default=None)


def _known_until(good: LastGoodValue | None) -> tuple[bool, Instant]:
    return (False, 0) if good is None else (True, good.phenomenon_time)


def _lies_in(entity: str, area: str, model: CityModel) -> bool:
    found = model.entities.get(entity)
    while found is not None and found.id != area:
        found = model.entities.get(found.parent) if found.parent is not None else None
    return found is not None
