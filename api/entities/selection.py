"""Filters that select entities, properties and alarms of a city model. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from api.entities.geometry import intersects
from cities.model.geometry import BoundingBox
from twin.alarms.messages import AlarmEvent
from twin.model.city_model import CityModel
from twin.model.entity import Entity
from twin.model.names import all_value_names
from twin.wire.messages import Update

ChangeKind: TypeAlias = Literal["state", "alarm"]
"""What the live stream sends: values of properties, and alarms."""

CHANGE_KINDS: frozenset[ChangeKind] = frozenset({"state", "alarm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFilter:
    """The conditions of a filter; an empty set or None matches everything, a name that is gone nothing.

    Any name of a condition may match; every condition must. A `parent` matches everything inside that area.
    An alarm has the properties of its operands and the theme of its rule.
    """

    entities: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
    properties: frozenset[str] = frozenset()
    themes: frozenset[str] = frozenset()
    bbox: BoundingBox | None = None
    change_kinds: frozenset[ChangeKind] = CHANGE_KINDS


class ResolvedFilter(NamedTuple):
    """A filter resolved against one version of the city model; it selects only what the model contains."""

    entities: frozenset[str]
    properties: frozenset[str]  #: names of properties, indicators and roll-ups; empty without state events
    filter: EntityFilter = EntityFilter()

    def matches(self, entity: str, property: str) -> bool:
        """Whether the filter selects the property of the entity."""
        return property in self.properties and entity in self.entities

    def matches_alarm(self, event: AlarmEvent) -> bool:
        """Whether the filter selects the alarm."""
        filter = self.filter
        return (
            "alarm" in filter.change_kinds
            and event.entity in self.entities
            and (not filter.themes or event.theme in filter.themes)
            and (not filter.properties or any(each.name in filter.properties for each in event.operands))
        )

    def matches_change(self, change: Update | AlarmEvent) -> bool:
        """Whether the filter selects a change of the log."""
        if isinstance(change, AlarmEvent):
            return self.matches_alarm(change)
        return self.matches(change.entity, change.property)


def resolve_filter(filter: EntityFilter, model: CityModel) -> ResolvedFilter:
    """Return a filter resolved against a city model."""
    return ResolvedFilter(
        entities=frozenset(entity.id for entity in select_entities(filter, model)),
        properties=frozenset(
            each.name
            for each in all_value_names(model)
            if "state" in filter.change_kinds
            and (not filter.properties or each.name in filter.properties)
            and (not filter.themes or each.theme in filter.themes)
        ),
        filter=filter,
    )


def select_entities(filter: EntityFilter, model: CityModel) -> list[Entity]:
    """Return the entities that a filter selects by id, type, parent and location, ordered by id.

    Properties and themes are ignored: entities without any may be selected.
    """
    # A parent lies inside itself; it is selected only where another parent contains it.
    inside = {
        id for parent in filter.parents for id in model.within(parent) if id not in filter.parents
    } | _nested_parents(filter.parents, model)
    selected = [
        entity
        for entity in model.entities.values()
        if (not filter.entities or entity.id in filter.entities)
        and (not filter.types or entity.type in filter.types)
        and (not filter.parents or entity.id in inside)
        and (
            filter.bbox is None or (entity.geometry is not None and intersects(entity.geometry, filter.bbox))
        )
    ]
    return sorted(selected, key=lambda entity: entity.id)


def _nested_parents(parents: frozenset[str], model: CityModel) -> set[str]:
    """Return those of the parents that lie inside another of them."""
    return {id for id in parents for other in parents if other != id and id in model.within(other)}
