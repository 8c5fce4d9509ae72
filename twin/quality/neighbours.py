"""Neighbours: the entities of an area judge each other's values of one property. Pure.

An area in which too few speak asks the one above: it passes on what its entities told, with no weight.
Who is outvoted is a function of what each entity told last, whatever the order in which it came.
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
from twin.quality.quality_flags import QualityFlag
from twin.state.combination import PEERS_MIN, outlier_places
from twin.wire.messages import AreaInput

NeighbourInputs = Mapping[str, AreaInput]
"""What an area was told of one property, by the entity or area that told it."""

_DISAGREES = int(QualityFlag.DISAGREES)


class NeighbourStanding(NamedTuple):
    """How an entity stands among its neighbours."""

    deviates: bool = False
    last_good: LastGoodValue | None = None  #: its newest value that was heard and not outvoted


class NeighbourContext(NamedTuple):
    """Whose values of what are judged, and when."""

    area: str
    property: str
    model: CityModel
    revision: Instant  #: of the verdicts


class NeighbourResult(NamedTuple):
    """What came of a judgement."""

    outvoted: frozenset[str]  #: entities of the area that take no part in its value
    verdicts: list[NeighbourVerdict]  #: those that changed
    forwarded: list[AreaInput]  #: what is news to the area above


class _Vote(NamedTuple):
    heard: dict[str, AreaInput]  #: entities whose values speak for the present
    enough: bool
    outvoted: frozenset[str]


class NeighbourState(msgspec.Struct, array_like=True):
    """What an area knows of its entities as neighbours, by one property. Mutable; goes into a checkpoint."""

    from_below: dict[str, AreaInput] = msgspec.field(default_factory=dict)  #: passed on by areas with too few
    standings: dict[str, NeighbourStanding] = msgspec.field(default_factory=dict)
    forwarded: dict[str, AreaInput] = msgspec.field(default_factory=dict)

    def evaluate(self, inputs: NeighbourInputs, asked: NeighbourContext) -> NeighbourResult:
        """Judge every entity that told a value, by all that was told until now."""
        own = {source: one for source, one in inputs.items() if not _is_area(source, asked)}
        entities = {source: one for source, one in (own | self.from_below).items() if one.value is not None}
        vote = self._vote(inputs, entities, asked)
        flagged = frozenset(source for source, one in entities.items() if one.flags & _DISAGREES)
        outvoted = vote.outvoted if vote.enough else flagged
        verdicts = []
        for source in sorted(vote.heard.keys() | self.standings.keys()):
            before = self.standings.get(source, NeighbourStanding())
            last_good, deviates = before.last_good, source in vote.outvoted
            one = vote.heard.get(source)
            if one is not None and one.value is not None and source not in outvoted:
                last_good = LastGoodValue(one.value, one.phenomenon_time)
            self.standings[source] = NeighbourStanding(deviates, last_good)
            if deviates != before.deviates:
                beside = last_good if deviates else None
                verdicts.append(
                    NeighbourVerdict(source, asked.property, asked.area, deviates, beside, asked.revision)
                )
        return NeighbourResult(outvoted & own.keys(), verdicts, self._pass_on(entities, vote, asked))

    def _vote(self, inputs: NeighbourInputs, entities: NeighbourInputs, asked: NeighbourContext) -> _Vote:
        """Let the entities vote, and the areas that can judge their own: each of those has one voice."""
        limit = disagreement_limit(asked.property, asked.model)
        for_themselves = {
            _child_with(source, asked) for source, one in self.from_below.items() if one.value is not None
        }
        areas = [
            one
            for source, one in inputs.items()
            if _is_area(source, asked) and source not in for_themselves and one.value is not None
        ]
        newest = max((one.phenomenon_time for one in (*entities.values(), *areas)), default=0)
        heard = {source: one for source, one in entities.items() if one.valid_until >= newest}
        voices = [*heard.values(), *(one for one in areas if one.valid_until >= newest)]
        values = [one.value for one in voices if one.value is not None]
        if limit is None or len(values) < PEERS_MIN:
            return _Vote(heard, False, frozenset())
        names = list(heard)
        far = (place for place in outlier_places(values, limit) if place < len(names))
        return _Vote(heard, True, frozenset(names[place] for place in far))

    def _pass_on(self, entities: NeighbourInputs, vote: _Vote, asked: NeighbourContext) -> list[AreaInput]:
        """Return what the area above is to hear, or is not to count any more."""
        parent = asked.model.entities[asked.area].parent
        wanted: dict[str, AreaInput] = {}
        if (
            parent is not None
            and not vote.enough
            and disagreement_limit(asked.property, asked.model) is not None
        ):
            wanted = {source: one._replace(area=parent, weight=0) for source, one in entities.items()}
        before, self.forwarded = self.forwarded, wanted
        return [
            wanted[source] if source in wanted else before[source]._replace(value=None)
            for source in sorted(wanted.keys() | before.keys())
            if wanted.get(source) != before.get(source)
        ]


def disagreement_limit(property: str, model: CityModel) -> float | None:
    """Return how far a value may be from its neighbours'; None where neighbours are not compared.

    Only what rolls up as a mean is: there the values of entities are samples of one thing. The loudest street
    of a district is no fault, and the levels of two polders have nothing to do with each other.
    """
    found = model.properties.get(property)
    return found.quality.disagreement if found is not None and found.roll_up == "mean" else None


def _is_area(source: str, asked: NeighbourContext) -> bool:
    """Whether a source is an area below; the area itself speaks as the entity that has sensors of its own."""
    found = asked.model.entities.get(source)
    return source != asked.area and found is not None and found.type in AREA_TYPES


def _child_with(entity: str, asked: NeighbourContext) -> str:
    """Return the area right below this one that an entity lies in, or is."""
    entities, child = asked.model.entities, entity
    while child in entities and (parent := entities[child].parent) is not None and parent != asked.area:
        child = parent
    return child
