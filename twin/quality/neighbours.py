"""Neighbours: the entities of an area are compared with each other by their values of one property. Pure.

An area with too few values cannot compare them: it forwards its inputs, with weight 0, to its parent area.
The result is a function of the latest input of each entity, whatever their order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.observation import LastGoodValue
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.quality.quality_flags import DISAGREES
from twin.state.combination import PEERS_MIN, outlier_places
from twin.wire.messages import AreaInput

NeighbourInputs = Mapping[str, AreaInput]
"""The inputs of an area for one property, by the entity or area that sent them."""


class NeighbourStanding(NamedTuple):
    """The last result of the comparison for one entity."""

    deviates: bool = False
    last_good: LastGoodValue | None = None  #: its newest value that was current and not outvoted


class NeighbourContext(NamedTuple):
    """Area, property and time of a comparison."""

    area: str
    property: str
    model: CityModel
    revision: Instant  #: of the verdicts


class NeighbourResult(NamedTuple):
    """The result of a comparison."""

    outvoted: frozenset[str]  #: entities of the area that are left out of its value
    verdicts: list[NeighbourVerdict]  #: those that changed
    forwarded: list[AreaInput]  #: changed inputs for the parent area


class _Vote(NamedTuple):
    current: dict[str, AreaInput]  #: inputs of entities whose values are still valid
    enough: bool
    outvoted: frozenset[str]


class NeighbourState(msgspec.Struct, array_like=True):
    """The comparison of an area's entities by one property. Mutable; goes into a checkpoint."""

    from_below: dict[str, AreaInput] = msgspec.field(default_factory=dict)  #: forwarded by child areas
    standings: dict[str, NeighbourStanding] = msgspec.field(default_factory=dict)
    forwarded: dict[str, AreaInput] = msgspec.field(default_factory=dict)

    def evaluate(self, inputs: NeighbourInputs, context: NeighbourContext) -> NeighbourResult:
        """Compare the latest values of all entities."""
        own = {source: input for source, input in inputs.items() if not _is_area(source, context)}
        entities = {
            source: input for source, input in (own | self.from_below).items() if input.value is not None
        }
        vote = self._vote(inputs, entities, context)
        flagged = frozenset(source for source, input in entities.items() if input.flags & DISAGREES)
        outvoted = vote.outvoted if vote.enough else flagged
        verdicts = []
        for source in sorted(vote.current.keys() | self.standings.keys()):
            before = self.standings.get(source, NeighbourStanding())
            last_good, deviates = before.last_good, source in vote.outvoted
            input = vote.current.get(source)
            if input is not None and input.value is not None and source not in outvoted:
                last_good = LastGoodValue(input.value, input.phenomenon_time)
            self.standings[source] = NeighbourStanding(deviates, last_good)
            if deviates != before.deviates:
                verdicts.append(
                    NeighbourVerdict(
                        source,
                        context.property,
                        context.area,
                        deviates,
                        last_good if deviates else None,
                        context.revision,
                    )
                )
        return NeighbourResult(outvoted & own.keys(), verdicts, self._forward(entities, vote, context))

    def _vote(self, inputs: NeighbourInputs, entities: NeighbourInputs, context: NeighbourContext) -> _Vote:
        """Compare the values of entities, and of child areas that can compare their own entities."""
        limit = disagreement_limit(context.property, context.model)
        forwarding = {
            _child_with(source, context)
            for source, input in self.from_below.items()
            if input.value is not None
        }
        areas = [
            input
            for source, input in inputs.items()
            if _is_area(source, context) and source not in forwarding and input.value is not None
        ]
        newest = max((input.phenomenon_time for input in (*entities.values(), *areas)), default=0)
        current = {source: input for source, input in entities.items() if input.valid_until >= newest}
        voters = [*current.values(), *(input for input in areas if input.valid_until >= newest)]
        values = [input.value for input in voters if input.value is not None]
        if limit is None or len(values) < PEERS_MIN:
            return _Vote(current, False, frozenset())
        names = list(current)
        outliers = (place for place in outlier_places(values, limit) if place < len(names))
        return _Vote(current, True, frozenset(names[place] for place in outliers))

    def _forward(self, entities: NeighbourInputs, vote: _Vote, context: NeighbourContext) -> list[AreaInput]:
        """Return the inputs to send to the parent area; a value of None withdraws an earlier one."""
        parent = context.model.entities[context.area].parent
        after: dict[str, AreaInput] = {}
        if (
            parent is not None
            and not vote.enough
            and disagreement_limit(context.property, context.model) is not None
        ):
            after = {source: input._replace(area=parent, weight=0) for source, input in entities.items()}
        before, self.forwarded = self.forwarded, after
        return [
            after[source] if source in after else before[source]._replace(value=None)
            for source in sorted(after.keys() | before.keys())
            if after.get(source) != before.get(source)
        ]


def disagreement_limit(property: str, model: CityModel) -> float | None:
    """Return the greatest normal difference from the neighbours; None where neighbours are not compared.

    Only properties that roll up as a mean are compared: there the values of entities are samples of the same
    quantity. The loudest street of a district is no fault, and the levels of two polders are unrelated.
    """
    known = model.properties.get(property)
    return known.quality.disagreement if known is not None and known.roll_up == "mean" else None


def _is_area(source: str, context: NeighbourContext) -> bool:
    """Return whether a source is a child area; the area itself counts as an entity with sensors."""
    entity = context.model.entities.get(source)
    return source != context.area and entity is not None and entity.type in AREA_TYPES


def _child_with(entity: str, context: NeighbourContext) -> str:
    """Return the direct child of this area that contains an entity, or is the entity."""
    entities, child = context.model.entities, entity
    while child in entities and (parent := entities[child].parent) is not None and parent != context.area:
        child = parent
    return child
