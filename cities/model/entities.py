"""Entities of a city folder: parents, cycles, relations and geometries cross-checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cities.files.items import Items, PlacedItem, suggestion
from cities.files.schema import EntityItem, RelationItem
from cities.model.geometry import BoundingBox, geometry_faults
from twin.model.entity import Entity, Relation

# Known ids that are searched for a suggestion; 10,000 take 10 ms.
_NEAR_IDS_MAX = 10_000
# Suggestions per kind of reference; more wrong references have one cause.
_NEAR_HINTS_MAX = 20


class ReferenceCheck:
    """Checks references against known ids, with a suggestion for unknown ones."""

    def __init__(self, what: str, known: frozenset[str]) -> None:
        self._what = what
        self._known = known
        self._hints = 0

    def fault(self, name: str) -> str | None:
        """Return the fault of a reference, or None."""
        if name in self._known:
            return None
        self._hints += 1
        hint = ""
        if self._hints <= _NEAR_HINTS_MAX and len(self._known) <= _NEAR_IDS_MAX:
            hint = suggestion(name, sorted(self._known))
        return f"found {name!r}, expected the {self._what} of this city{hint}"


def check_entities(items: Items[EntityItem], home: BoundingBox | None) -> None:
    """Add the faults between entities, and those of geometries."""
    references = ReferenceCheck("id of an entity", items.ids)
    for entry, location in items.entries:
        parent = entry.get("parent")
        if isinstance(parent, str) and (message := references.fault(parent)):
            items.add_fault((*location, "parent"), message)
        relations = entry.get("relations")
        for index, relation in enumerate(relations if isinstance(relations, list) else ()):
            target = relation.get("target") if isinstance(relation, dict) else None
            if isinstance(target, str) and (message := _target_fault(target, entry, references)):
                items.add_fault((*location, "relations", index, "target"), message)
        if entry.get("geometry") is not None:
            for fault in geometry_faults(entry["geometry"], home):
                items.add_fault((*location, "geometry", *fault.location), fault.message)
    _check_cycles(items)


def _target_fault(target: str, entry: Mapping[str, Any], references: ReferenceCheck) -> str | None:
    return "relates the entity to itself" if target == entry.get("id") else references.fault(target)


def _check_cycles(items: Items[EntityItem]) -> None:
    """Report each cycle of parents once, at its first entity in the file."""
    placed: Mapping[str, PlacedItem[EntityItem]] = {one.item.id: one for one in items.placed}
    done: set[str] = set()
    for start in placed:
        chain: dict[str, None] = {}
        current: str | None = start
        while current is not None and current in placed and current not in done and current not in chain:
            chain[current] = None
            current = placed[current].item.parent
        if current in chain:
            names = list(chain)
            cycle = names[names.index(str(current)) :]
            head = min(range(len(cycle)), key=lambda index: placed[cycle[index]].location)
            path = " > ".join([*cycle[head:], *cycle[:head], cycle[head]])
            items.add_fault((*placed[cycle[head]].location, "parent"), f"an entity is above itself: {path}")
        done.update(chain)


def to_entity(item: EntityItem) -> Entity:
    """Return the entity of an item."""
    return Entity(
        id=item.id,
        type=item.type,
        name=item.name,
        parent=item.parent,
        geometry=item.geometry,
        attributes=item.attributes,
        relations=tuple(Relation(one.type, one.target) for one in item.relations),
    )


def from_entity(entity: Entity) -> EntityItem:
    """Return the item of an entity, to be written."""
    return EntityItem.of(
        id=entity.id,
        type=entity.type,
        name=entity.name,
        parent=entity.parent,
        geometry=entity.geometry,
        attributes=dict(entity.attributes),
        relations=[RelationItem.of(type=one.type, target=one.target) for one in entity.relations],
    )
