"""The state of an area: the values of its entities, rolled up into one value for each name."""

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
from twin.quality.quality_flags import DISAGREES, UNUSABLE_FLAGS
from twin.wire.messages import AreaInput


class AreaValue(NamedTuple):
    """A value of an area."""

    name: str  #: without `AREA_PREFIX`
    value: float
    phenomenon_time: Instant  #: of the newest input
    flags: int
    weight: int  #: sensors or connections behind it
    valid_until: Instant
    outvoted: tuple[str, ...] = ()  #: entities left out, because their neighbours outvoted them


class AreaChanges(NamedTuple):
    """The changes of an area."""

    values: list[AreaValue]  #: ordered by name; each raises the revision
    verdicts: list[NeighbourVerdict]
    forwarded: list[AreaInput]  #: inputs for the parent area, which compares them


class AreaState(msgspec.Struct, array_like=True):
    """The current state of one area. Mutable, owned by one partition of one worker."""

    revision: int = 0
    inputs: dict[str, dict[str, AreaInput]] = msgspec.field(default_factory=dict)  #: name → source → input
    emitted: dict[str, AreaValue] = msgspec.field(default_factory=dict)
    neighbours: dict[str, NeighbourState] = msgspec.field(default_factory=dict)  #: by property

    def on_input(self, input: AreaInput) -> bool:
        """Add an input; return whether it changes anything. Ignore inputs older than the stored revision."""
        if input.weight:
            by_source = self.inputs.setdefault(input.name, {})
        else:
            by_source = self.neighbours.setdefault(input.name, NeighbourState()).from_below
        known = by_source.get(input.source)
        if known == input or (known is not None and input.revision < known.revision):
            return False
        by_source[input.source] = input
        return True

    def evaluate(self, area: str, names: Iterable[str], model: CityModel, revision: Instant) -> AreaChanges:
        """Return the changes of these names; `revision` is that of new verdicts."""
        changes = AreaChanges([], [], [])
        for name in sorted(names):
            inputs = self.inputs.get(name, {})
            outvoted: frozenset[str] = frozenset()
            if name in self.neighbours or disagreement_limit(name, model) is not None:
                neighbours = self.neighbours.setdefault(name, NeighbourState())
                outvoted, verdicts, forwarded = neighbours.evaluate(
                    inputs, NeighbourContext(area, name, model, revision)
                )
                changes.verdicts.extend(verdicts)
                changes.forwarded.extend(forwarded)
            known = self.emitted.get(name)
            value = roll_up(name, list(inputs.values()), model, outvoted)
            if value is None and known is not None:
                value = _failed(known, inputs.values(), outvoted)
            if value is not None and value != known:
                self.emitted[name] = value
                self.revision += 1
                changes.values.append(value)
        return changes


def roll_up(
    name: str, inputs: Sequence[AreaInput], model: CityModel, outvoted: frozenset[str] = frozenset()
) -> AreaValue | None:
    """Return one value for an area, or None without a usable input.

    Only inputs count that are still current at the time of the newest one, and that neighbours have not
    outvoted. A mean weighs each input by the sensors behind it: it is the mean of sensors, however they are
    distributed over areas.
    """
    present = [one for one in inputs if one.value is not None and one.source not in outvoted]
    if not present:
        return None
    newest = max(one.phenomenon_time for one in present)
    current = [one for one in present if one.valid_until >= newest]
    value = _value(name, current, model)
    if value is None:
        return None
    flags = 0
    for input in current:
        flags |= input.flags
    # The input of an entity whose verdict has just been withdrawn still has this flag.
    flags &= ~DISAGREES
    valid_until = max(one.valid_until for one in current)
    weight = sum(one.weight for one in current)
    return AreaValue(name, value, newest, flags, weight, valid_until, tuple(sorted(outvoted)))


def _value(name: str, inputs: Sequence[AreaInput], model: CityModel) -> float | None:
    values = [one.value for one in inputs if one.value is not None]
    match roll_up_of(name, model):
        case "mean":
            weights = [one.weight for one in inputs]
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


def _failed(known: AreaValue, inputs: Iterable[AreaInput], outvoted: frozenset[str]) -> AreaValue | None:
    """Return the last value with the flags of inputs that have failed since; None without such inputs."""
    flags = 0
    for input in inputs:
        flags |= input.flags & UNUSABLE_FLAGS
    return (
        known._replace(flags=known.flags & ~UNUSABLE_FLAGS | flags, outvoted=tuple(sorted(outvoted)))
        if flags
        else None
    )


def area_of(entity: str, model: CityModel) -> str | None:
    """Return the area to which an entity sends its values; None when it is in no area."""
    known = model.entities.get(entity)
    if known is None:
        return None
    return entity if known.type in AREA_TYPES else known.parent
