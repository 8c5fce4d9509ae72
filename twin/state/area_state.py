"""The state of an area: what its entities tell, rolled up into one value for each name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.names import roll_up_of
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.quality.neighbours import NeighbourContext, NeighbourState, disagreement_limit
from twin.quality.quality_flags import UNUSABLE_FLAGS, QualityFlag
from twin.wire.messages import AreaInput


class AreaValue(NamedTuple):
    """A value of an area."""

    name: str  #: without the prefix
    value: float
    phenomenon_time: Instant  #: of the newest input
    flags: int
    weight: int  #: sensors or connections behind it
    valid_until: Instant
    outvoted: tuple[str, ...] = ()  #: entities that their neighbours have outvoted


class AreaChanges(NamedTuple):
    """What is new in an area."""

    values: list[AreaValue]  #: in order of names; each raises the revision
    verdicts: list[NeighbourVerdict]
    forwarded: list[AreaInput]  #: what the area above is to judge


class AreaState(msgspec.Struct, array_like=True):
    """What is known of one area now. Mutable, owned by one partition of one worker."""

    revision: int = 0
    inputs: dict[str, dict[str, AreaInput]] = msgspec.field(default_factory=dict)  #: name → source → input
    emitted: dict[str, AreaValue] = msgspec.field(default_factory=dict)
    neighbours: dict[str, NeighbourState] = msgspec.field(default_factory=dict)  #: by property

    def on_input(self, input: AreaInput) -> bool:
        """Take in an input; return whether it is news. One told before what is known changes nothing."""
        if input.weight:
            of_name = self.inputs.setdefault(input.name, {})
        else:
            of_name = self.neighbours.setdefault(input.name, NeighbourState()).from_below
        known = of_name.get(input.source)
        if known == input or (known is not None and input.revision < known.revision):
            return False
        of_name[input.source] = input
        return True

    def evaluate(self, area: str, names: Iterable[str], model: CityModel, revision: Instant) -> AreaChanges:
        """Return what is new by these names; verdicts of neighbours are told with `revision`."""
        news = AreaChanges([], [], [])
        for name in sorted(names):
            inputs = self.inputs.get(name, {})
            left_out: frozenset[str] = frozenset()
            if name in self.neighbours or disagreement_limit(name, model) is not None:
                neighbours = self.neighbours.setdefault(name, NeighbourState())
                left_out, verdicts, passed_on = neighbours.evaluate(
                    inputs, NeighbourContext(area, name, model, revision)
                )
                news.verdicts.extend(verdicts)
                news.forwarded.extend(passed_on)
            known = self.emitted.get(name)
            value = roll_up(name, list(inputs.values()), model, left_out)
            if value is None and known is not None:
                value = _failed(known, inputs.values(), left_out)
            if value is not None and value != known:
                self.emitted[name] = value
                self.revision += 1
                news.values.append(value)
        return news


def roll_up(
    name: str, inputs: Sequence[AreaInput], model: CityModel, left_out: frozenset[str] = frozenset()
) -> AreaValue | None:
    """Return one value for an area, or None when there is none.

    Only inputs count that still speak for the present at the time of the newest one, and that neighbours have
    not outvoted. A mean weighs each input by the sensors behind it, so that it is the mean of sensors,
    however they are spread over areas.
    """
    speaking = [one for one in inputs if one.value is not None and one.source not in left_out]
    if not speaking:
        return None
    newest = max(one.phenomenon_time for one in speaking)
    counting = [one for one in speaking if one.valid_until >= newest]
    value = _value(name, counting, model)
    if value is None:
        return None
    flags = 0
    for one in counting:
        flags |= one.flags
    # An entity whose verdict was withdrawn just now has not heard of it yet.
    flags &= ~int(QualityFlag.DISAGREES)
    valid_until = max(one.valid_until for one in counting)
    weight = sum(one.weight for one in counting)
    return AreaValue(name, value, newest, flags, weight, valid_until, tuple(sorted(left_out)))


def _value(name: str, counting: Sequence[AreaInput], model: CityModel) -> float | None:
    values = [one.value for one in counting if one.value is not None]
    match roll_up_of(name, model):
        case "mean":
            weights = [one.weight for one in counting]
            total = sum(weights)
            return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / total if total else None
        case "sum":
            return math.fsum(values)
        case "max":
            return max(values)
        case "min":
            return min(values)
        case _:
            return None


def _failed(known: AreaValue, inputs: Iterable[AreaInput], left_out: frozenset[str]) -> AreaValue | None:
    """Return the last value with the flags of the inputs that failed since; None when none did."""
    flags = 0
    for one in inputs:
        flags |= one.flags & UNUSABLE_FLAGS
    return (
        known._replace(flags=known.flags & ~UNUSABLE_FLAGS | flags, outvoted=tuple(sorted(left_out)))
        if flags
        else None
    )


def area_of(entity: str, model: CityModel) -> str | None:
    """Return the area that an entity tells its values to; None when it is in none."""
    found = model.entities.get(entity)
    if found is None:
        return None
    return entity if found.type in AREA_TYPES else found.parent
