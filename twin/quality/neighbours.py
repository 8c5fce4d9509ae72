"""Neighbours: the entities of an area are compared with each other by their values of one property. Pure.

They are compared in each slot of the area's series. An area with too few values in a slot cannot compare
them: it forwards its inputs, with weight 0, to its parent area, which tells the area of each entity that it
outvotes, with weight -1. So the outvoted set of a slot is a function of the set of inputs, whatever their
order of arrival. The verdict about an entity is that of the newest slot.
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
from twin.state.area_members import ROLLED_UP, area_of
from twin.state.combination import PEERS_MIN, outlier_places
from twin.state.slot_inputs import SlotInput, SlotInputs, SlotSpan, part_at
from twin.wire.messages import AreaInput

SlotMembers = Mapping[str, SlotInput]
"""The newest inputs of an area for one property up to a slot, by the entity or area that sent them."""

COMPARED_ONLY = 0
"""Weight of an input that is only compared."""

OUTVOTED_ABOVE = -1
"""Weight of an input that says that the area above has outvoted an entity in a slot."""


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

    outvoted: frozenset[str]  #: entities of the area that are left out of its value in the slot
    verdicts: list[NeighbourVerdict]  #: those that changed
    inputs: list[AreaInput]  #: changed inputs for the parent area, and for the areas of forwarded entities


class _Vote(NamedTuple):
    current: dict[str, SlotInput]  #: inputs of entities whose values are still valid
    own: frozenset[str]  #: those of them that the area counts itself
    enough: bool
    outvoted: frozenset[str]


class NeighbourState(msgspec.Struct, array_like=True):
    """The comparison of an area's entities by one property. Mutable; goes into a checkpoint."""

    below: SlotInputs = msgspec.field(default_factory=SlotInputs)  #: forwarded by child areas
    #: by the area above: the entities of this area that it has outvoted
    above: dict[str, SlotInputs] = msgspec.field(default_factory=dict)
    standings: dict[str, NeighbourStanding] = msgspec.field(default_factory=dict)
    #: by slot and source, what the parent area has
    forwarded: dict[Instant, dict[str, SlotInput]] = msgspec.field(default_factory=dict)
    told: dict[Instant, frozenset[str]] = msgspec.field(default_factory=dict)  #: outvoted ones from below

    def put(self, input: AreaInput, kept: SlotInput) -> SlotSpan | None:
        """Add an input of weight 0 or -1; return the slots that may change."""
        if input.weight == COMPARED_ONLY:
            return self.below.put(input.source, kept)
        span = self.above.setdefault(input.by, SlotInputs()).put(input.source, kept)
        return None if span is None else SlotSpan(kept.slot, kept.slot)

    def forget(self, floor: Instant) -> None:
        """Forget the slots before a floor."""
        for inputs in (self.below, *self.above.values()):
            inputs.forget(floor)
        for slot in [one for one in self.forwarded if one < floor]:
            del self.forwarded[slot]
        for slot in [one for one in self.told if one < floor]:
            del self.told[slot]

    def compare(
        self, slot: Instant, members: SlotMembers, context: NeighbourContext, *, is_newest: bool
    ) -> NeighbourResult:
        """Compare the values that count in a slot; in the newest one, decide about the entities."""
        vote = self._vote(slot, members, context)
        outvoted = vote.outvoted & vote.own if vote.enough else self._outvoted_above(slot, vote.own)
        verdicts = self._verdicts(vote, outvoted, context) if is_newest else []
        inputs = self._forward(slot, vote, context) + self._tell(slot, vote, context)
        return NeighbourResult(outvoted, verdicts, inputs)

    def _vote(self, slot: Instant, members: SlotMembers, context: NeighbourContext) -> _Vote:
        """Compare the values of entities, and of child areas that can compare their own entities."""
        limit = disagreement_limit(context.property, context.model)
        below = {
            source: one
            for source, one in self.below.at(slot).items()
            if one.value is not None and one.valid_until >= slot
        }
        forwarding = {_child_with(source, context) for source in below}
        current: dict[str, SlotInput] = {}
        values: list[float] = []
        areas: list[float] = []
        for source, one in members.items():
            part = part_at(one, slot) if one.value is not None else None
            if part is None:
                continue
            if not _is_area(source, context):
                current[source] = one
                values.append(part.value)
            elif source.removesuffix(ROLLED_UP) not in forwarding:
                areas.append(part.value)
        own = frozenset(current)
        for source, one in below.items():
            if source not in current and one.value is not None:
                current[source] = one
                values.append(one.value)
        if limit is None or len(values) + len(areas) < PEERS_MIN:
            return _Vote(current, own, False, frozenset())
        names = list(current)
        outliers = outlier_places(values + areas, limit)
        outvoted = frozenset(names[place] for place in outliers if place < len(names))
        return _Vote(current, own, True, outvoted)

    def _outvoted_above(self, slot: Instant, own: frozenset[str]) -> frozenset[str]:
        """Return the entities of the area that an area above has outvoted in a slot."""
        return frozenset(
            source
            for inputs in self.above.values()
            for source, one in inputs.at(slot).items()
            if one.slot == slot and one.value is not None and source in own
        )

    def _verdicts(
        self, vote: _Vote, outvoted: frozenset[str], context: NeighbourContext
    ) -> list[NeighbourVerdict]:
        verdicts = []
        for source in sorted(vote.current.keys() | self.standings.keys()):
            before = self.standings.get(source, NeighbourStanding())
            last_good, deviates = before.last_good, source in vote.outvoted
            input = vote.current.get(source)
            if input is not None and input.value is not None and not deviates and source not in outvoted:
                last_good = LastGoodValue(input.value, input.time)
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
        return verdicts

    def _forward(self, slot: Instant, vote: _Vote, context: NeighbourContext) -> list[AreaInput]:
        """Return the inputs to send to the parent area; a value of None ends what an earlier one said."""
        parent = context.model.entities[context.area].parent
        if parent is None:
            return []
        after: dict[str, SlotInput] = {}
        if not vote.enough and disagreement_limit(context.property, context.model) is not None:
            after = {
                source: one._replace(slot=slot, weight=COMPARED_ONLY, later=(), revision=context.revision)
                for source, one in vote.current.items()
            }
        for source, one in self._carried(slot).items():
            if source not in after:
                after[source] = one._replace(
                    slot=slot, value=None, flags=DISAGREES, revision=context.revision
                )
        before = self.forwarded.get(slot, {})
        changed = []
        for source in sorted(after.keys() | before.keys()):
            sent = after.get(source)
            known = before.get(source)
            if sent is not None and (known is None or known[:-1] != sent[:-1]):
                changed.append(_area_input(parent, source, sent, context))
            elif sent is None and known is not None:
                withdrawn = known._replace(value=None, flags=0, revision=context.revision)
                changed.append(_area_input(parent, source, withdrawn, context))
        if after:
            self.forwarded[slot] = after
        elif before:
            del self.forwarded[slot]
        return changed

    def _carried(self, slot: Instant) -> dict[str, SlotInput]:
        """Return the inputs, forwarded for earlier slots, that would still count above in a slot."""
        if not self.forwarded:
            return {}
        newest: dict[str, SlotInput] = {}
        for earlier in sorted(one for one in self.forwarded if one < slot):
            newest.update(self.forwarded[earlier])
        return {
            source: one for source, one in newest.items() if one.value is not None and one.valid_until >= slot
        }

    def _tell(self, slot: Instant, vote: _Vote, context: NeighbourContext) -> list[AreaInput]:
        """Return what the areas of forwarded entities must be told about a slot."""
        after = vote.outvoted - vote.own
        before = self.told.get(slot, frozenset())
        if after == before:
            return []
        self.told[slot] = after
        changed = []
        for source in sorted(after ^ before):
            area = area_of(source, context.model)
            if area is not None and area != context.area:
                value = 1.0 if source in after else None
                told = SlotInput(slot, value, slot, 0, OUTVOTED_ABOVE, 0, slot, (), context.revision)
                changed.append(_area_input(area, source, told, context)._replace(by=context.area))
        return changed


def _area_input(area: str, source: str, input: SlotInput, context: NeighbourContext) -> AreaInput:
    return AreaInput(
        area,
        source,
        context.property,
        input.value,
        input.time,
        input.flags,
        input.weight,
        input.valid_until,
        input.revision,
        input.slot,
        input.members,
    )


def disagreement_limit(property: str, model: CityModel) -> float | None:
    """Return the greatest normal difference from the neighbours; None where neighbours are not compared.

    Only properties that roll up as a mean are compared: there the values of entities are samples of the same
    quantity. The loudest street of a district is no fault, and the levels of two polders are unrelated.
    """
    known = model.properties.get(property)
    return known.quality.disagreement if known is not None and known.roll_up == "mean" else None


def _is_area(source: str, context: NeighbourContext) -> bool:
    """Return whether a source is a child area; the area itself counts as an entity with sensors."""
    if source.endswith(ROLLED_UP):
        return True
    entity = context.model.entities.get(source)
    return source != context.area and entity is not None and entity.type in AREA_TYPES


def _child_with(entity: str, context: NeighbourContext) -> str:
    """Return the direct child of this area that contains an entity, or is the entity."""
    entities, child = context.model.entities, entity
    while child in entities and (parent := entities[child].parent) is not None and parent != context.area:
        child = parent
    return child
