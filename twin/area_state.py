"""The state of an area: what its entities tell, rolled up into one value for each name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from twin.indicators.registry import REGISTRY
from twin.instant import Instant
from twin.messages import AreaInput
from twin.model import CityModel
from twin.observed_property import RollUp

PREFIX = "area_"
"""What the name of a rolled-up value begins with: `area_pm2_5` is the mean of `pm2_5` over the area."""

AREA_TYPES = frozenset({"Municipality", "District", "Neighbourhood"})
"""Entities of these types are areas: what is measured on them is told by themselves, to themselves."""


class RolledUp(NamedTuple):
    """A value of an area."""

    name: str  #: without the prefix
    value: float
    phenomenon_time: Instant  #: of the newest input
    flags: int
    weight: int  #: sensors or connections behind it
    valid_until: Instant


class AreaState(msgspec.Struct, array_like=True):
    """What is known of one area now. Mutable, owned by one partition of one worker."""

    revision: int = 0
    inputs: dict[str, dict[str, AreaInput]] = msgspec.field(default_factory=dict)  #: name → source → input
    told: dict[str, RolledUp] = msgspec.field(default_factory=dict)

    def take(self, input: AreaInput) -> bool:
        """Take in an input; return whether it is news. One told before what is known changes nothing."""
        of_name = self.inputs.setdefault(input.name, {})
        known = of_name.get(input.source)
        if known == input or (known is not None and input.revision < known.revision):
            return False
        of_name[input.source] = input
        return True

    def roll_up(self, names: Iterable[str], model: CityModel) -> list[RolledUp]:
        """Return the values of these names that are new, in order of names; each raises the revision."""
        found = []
        for name in sorted(names):
            value = rolled_up(name, list(self.inputs.get(name, {}).values()), model)
            if value is not None and value != self.told.get(name):
                self.told[name] = value
                self.revision += 1
                found.append(value)
        return found


def rolled_up(name: str, inputs: Sequence[AreaInput], model: CityModel) -> RolledUp | None:
    """Return one value for an area, or None when there is none.

    Only inputs count that still speak for the present at the time of the newest one. A mean weighs each input
    by the sensors behind it, so that it is the mean of sensors, however they are spread over areas.
    """
    speaking = [one for one in inputs if one.value is not None]
    if not speaking:
        return None
    newest = max(one.phenomenon_time for one in speaking)
    counting = [one for one in speaking if one.valid_until >= newest]
    values = [one.value for one in counting if one.value is not None]
    weights = [one.weight for one in counting]
    match roll_up_of(name, model):
        case "mean":
            total = sum(weights)
            value = math.fsum(v * w for v, w in zip(values, weights, strict=True)) / total if total else None
        case "sum":
            value = math.fsum(values)
        case "max":
            value = max(values)
        case "min":
            value = min(values)
        case _:
            value = None
    if value is None:
        return None
    flags = 0
    for one in counting:
        flags |= one.flags
    valid_until = max(one.valid_until for one in counting)
    return RolledUp(name, value, newest, flags, sum(weights), valid_until)


def roll_up_of(name: str, model: CityModel) -> RollUp:
    """Return how the values of a property or an indicator become one of an area."""
    property = model.properties.get(name)
    if property is not None:
        return property.roll_up
    indicator = REGISTRY.get(name)
    return indicator.roll_up if indicator is not None else "none"


def area_of(entity: str, model: CityModel) -> str | None:
    """Return the area that an entity tells its values to; None when it is in none."""
    found = model.entities.get(entity)
    if found is None:
        return None
    return entity if found.type in AREA_TYPES else found.parent
