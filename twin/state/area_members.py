"""The members of an area: the entities whose values of a name it rolls up, by the model."""

from __future__ import annotations

from twin.indicators.registry import REGISTRY
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.privacy.cohort import CONNECTIONS_MIN

ROLLED_UP = "/"
"""Suffix of the source of an input with the values in an entity that is no area; its own have none."""


def roll_up_source(area: str, model: CityModel) -> str:
    """Return the source of the inputs that an area sends to its parent area."""
    return area if area_of(area, model) == area else area + ROLLED_UP


def area_of(entity: str, model: CityModel) -> str | None:
    """Return the area to which an entity sends its values; None when it is in no area."""
    known = model.entities.get(entity)
    if known is None:
        return None
    return entity if known.type in AREA_TYPES else known.parent


def areas_around(entity: str, model: CityModel) -> list[str]:
    """Return the area to which an entity sends its values and those around that, from the nearest on."""
    area = area_of(entity, model)
    return list(model.around(area)) if area is not None else []


def member_entities(area: str, name: str, model: CityModel) -> list[str]:
    """Return the entities whose values of a name are expected in an area or the areas in it, by id."""
    return sorted(
        entity
        for entity in model.within(area)
        if (entity != area or area_of(area, model) == area) and has_value(entity, name, model)
    )


def expected_members(area: str, name: str, model: CityModel) -> int:
    """Return the number of `member_entities`; looked up once for each model."""
    key = area, name
    known = model.expected_members.get(key)
    if known is None:
        known = model.expected_members[key] = len(member_entities(area, name, model))
    return known


def has_value(entity: str, name: str, model: CityModel) -> bool:
    """Return whether an entity can have a value of a property or indicator that rolls up."""
    if name in model.properties:
        return tells_values(entity, name, model)
    indicator, known = REGISTRY.get(name), model.entities.get(entity)
    if indicator is None or known is None:
        return False
    properties = {one.property for one in model.datastreams_of(entity)}
    told = {property for property in properties if tells_values(entity, property, model)}
    return indicator.applies_to(told, known.attributes)


def tells_values(entity: str, property: str, model: CityModel) -> bool:
    """Return whether an entity tells values of a property: of households only the sum of enough of them."""
    datastreams = model.datastreams_of(entity, property)
    personal = sum(model.policy_of(one).personal for one in datastreams)
    return personal < len(datastreams) or personal >= CONNECTIONS_MIN
