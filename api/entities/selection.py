"""Selections: which entities, properties and alarms a reader asks for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from api.entities.geometry import Extent, bounding_box
from twin.alarms.messages import AlarmEvent
from twin.model.city_model import CityModel
from twin.model.entity import Entity
from twin.model.names import all_value_names
from twin.wire.messages import Update

ChangeKind: TypeAlias = Literal["state", "alarm"]
"""What the live stream tells: values of properties, and alarms."""

CHANGE_KINDS: frozenset[ChangeKind] = frozenset({"state", "alarm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFilter:
    """What a reader asks for; an empty set or None asks for everything. Unknown names match nothing.

    Within one filter any of the names may match; all filters must. A `parent` stands for everything below it.
    Of alarms the properties are those that their operands name, and the theme is that of their rule.
    """

    entities: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
    properties: frozenset[str] = frozenset()
    themes: frozenset[str] = frozenset()
    bbox: Extent | None = None
    change_kinds: frozenset[ChangeKind] = CHANGE_KINDS


class ResolvedFilter(NamedTuple):
    """A filter, resolved against one version of the model. Only what the model knows is ever selected."""

    entities: frozenset[str]
    properties: frozenset[str]  #: of properties, indicators and roll-ups; none where no state is asked for
    filter: EntityFilter = EntityFilter()

    def matches(self, entity: str, property: str) -> bool:
        """Whether the property of the entity is asked for."""
        return property in self.properties and entity in self.entities

    def matches_alarm(self, event: AlarmEvent) -> bool:
        """Whether the alarm is asked for."""
        wanted = self.filter
        return (
            "alarm" in wanted.change_kinds
            and event.entity in self.entities
            and (not wanted.themes or event.theme in wanted.themes)
            and (not wanted.properties or any(one.name in wanted.properties for one in event.operands))
        )

    def matches_change(self, told: Update | AlarmEvent) -> bool:
        """Whether what the log told is asked for."""
        if isinstance(told, AlarmEvent):
            return self.matches_alarm(told)
        return self.matches(told.entity, told.property)


def resolve_filter(wanted: EntityFilter, model: CityModel) -> ResolvedFilter:
    """Return what a filter selects of a model."""
    return ResolvedFilter(
        entities=frozenset(entity.id for entity in select_entities(wanted, model)),
        properties=frozenset(
            one.name
            for one in all_value_names(model)
            if "state" in wanted.change_kinds
            and (not wanted.properties or one.name in wanted.properties)
            and (not wanted.themes or one.theme in wanted.themes)
        ),
        filter=wanted,
    )


def select_entities(wanted: EntityFilter, model: CityModel) -> list[Entity]:
    """Return the entities that a filter selects by id, type, parent and place, ordered by id.

    Properties and themes select nothing here: an entity may be asked for without any.
    """
    below = {
        one for parent in wanted.parents for one in model.within(parent) if one not in wanted.parents
    } | _nested(wanted.parents, model)
    found = [
        entity
        for entity in model.entities.values()
        if (not wanted.entities or entity.id in wanted.entities)
        and (not wanted.types or entity.type in wanted.types)
        and (not wanted.parents or entity.id in below)
        and (wanted.bbox is None or _lies_in(entity, wanted.bbox))
    ]
    return sorted(found, key=lambda entity: entity.id)


def _nested(parents: frozenset[str], model: CityModel) -> set[str]:
    """Return those of the parents that lie below another of them."""
    return {one for one in parents for other in parents if other != one and one in model.within(other)}


def _lies_in(entity: Entity, box: Extent) -> bool:
    if entity.geometry is None:
        return False
    extent = bounding_box(entity.geometry)
    return extent is not None and extent.intersects(box)
