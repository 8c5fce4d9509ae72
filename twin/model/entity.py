"""Entities: the things of the city that have a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Geometry: TypeAlias = Mapping[str, Any]
"""A GeoJSON geometry (RFC 7946): WGS 84, longitude before latitude."""

RELATION_TYPES = ("locatedIn", "feeds", "drainsTo", "adjacentTo")


AREA_TYPES = frozenset({"Municipality", "District", "Neighbourhood"})
"""Entities of these types are areas. A value that is measured on an area itself rolls up into that area."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A directed, typed link from one entity to another."""

    type: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A street, a canal, a neighbourhood. SensorThings calls it a Thing."""

    id: str
    type: str
    name: str
    parent: str | None = None  #: id of the area that it belongs to; None for the city itself
    geometry: Geometry | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
